import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from handlers.web.readers import PROXIES_SAY, why_not_on_this_machine


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs or [("Host", "127.0.0.1:3000")]))


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "127.0.0.1", "localhost:3000", "LOCALHOST", "[::1]:3000"])
def test_a_browser_on_this_machine_may_read(host: str) -> None:
    assert why_not_on_this_machine("127.0.0.1", headers(("Host", host))) is None


@pytest.mark.parametrize("peer", ["::1", "::ffff:127.0.0.1", "127.8.8.8"])
def test_this_machine_has_several_addresses(peer: str) -> None:
    assert why_not_on_this_machine(peer, headers()) is None


@pytest.mark.parametrize("peer", [None, "", "10.0.0.7", "203.0.113.9", "::ffff:10.0.0.7", "fe80::1", "unix"])
def test_another_machine_may_not(peer: str | None) -> None:
    assert why_not_on_this_machine(peer, headers()) == "not from this machine"


@pytest.mark.parametrize("name", PROXIES_SAY)
def test_whoever_stands_behind_a_proxy_is_not_on_this_machine(name: str) -> None:
    said = headers(("Host", "127.0.0.1:3000"), (name.lower(), ""))
    assert why_not_on_this_machine("127.0.0.1", said) == f"forwarded by a proxy ({name})"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:3000",  # its name was pointed at 127.0.0.1
        "127.0.0.1.evil.example",
        "evil.example@127.0.0.1",
        "localhost.evil.example",
        "127.0.0.1/x",
        "rollback.example",
        "",
    ],
)
def test_a_page_elsewhere_cannot_make_this_browser_read(host: str) -> None:
    why_not = why_not_on_this_machine("127.0.0.1", headers(("Host", host)))
    assert why_not == "asked for under another host's name"


def test_two_hosts_are_none() -> None:
    twice = headers(("Host", "127.0.0.1"), ("Host", "evil.example"))
    assert why_not_on_this_machine("127.0.0.1", twice) == "asked for under another host's name"
