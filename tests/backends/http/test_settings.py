"""Settings of the check: one that cannot work is refused with its line."""

from pathlib import Path

import pytest

from backends.installed import definitions
from bot.configuration import load
from bot.errors import ConfigurationError

FILE = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop:
    kind: system
    executor: {type: releases, root: shop}
    checks:
      - type: http
        url: "https://shop.example/"
"""


def problems(folder: Path, settings: str) -> tuple[str, ...]:
    path = folder / "rollback.yaml"
    path.write_text(f"{FILE}        {settings}\n")
    try:
        load(path, definitions())
    except ConfigurationError as error:
        return tuple(problem.removeprefix(f"{path}:") for problem in error.problems)
    return ()


@pytest.mark.parametrize(
    "settings",
    [
        "method: HEAD",
        "headers: {Authorization: {env: KEY}, X-Shop: a b, Host: other.example}",
        "redirects: true",
        "ca: certs/shop.pem",
    ],
)
def test_what_works_is_loaded(tmp_path: Path, settings: str) -> None:
    assert problems(tmp_path, settings) == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("method: POST", "`targets.shop.checks[0].method` must be GET or HEAD, not `POST`"),
        ("redirects: 3", "`targets.shop.checks[0].redirects`: must be true or false, not `3`"),
        ('headers: {"X Key": a}', "'X Key' cannot be the name of a header."),
        ('headers: {"": a}', "'' cannot be the name of a header."),
        ("headers: {Content-Length: 5}", "`Content-Length` is what the bot itself says of its requests."),
        ("headers: {accept-encoding: br}", "`accept-encoding` is what the bot itself says of its requests."),
        ('headers: {X-Key: "a\\r\\nX-Other: b"}', "The value of `X-Key` has a control character or a line"),
        ("headers: {X-Key: [a]}", "`targets.shop.checks[0].headers.X-Key`"),
        ("headers: {X-Key: a, x-key: b}", "The header `X-Key` stands here in two spellings. Keep one."),
        ('contains: ""', "`contains` is empty, and so in every answer."),
        ("{method: HEAD, contains: a}", "A HEAD has no body that could hold `contains`."),
        ("{redirects: true, status: 302}", "A 302 would be followed and never be the last answer."),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(tmp_path: Path, settings: str, words: str) -> None:
    if settings.startswith("{"):
        settings = settings.strip("{}").replace(", ", "\n        ")
    found = problems(tmp_path, settings)
    assert found
    line, _, said = found[0].partition(": ")
    assert int(line) >= 10
    assert said.startswith(words)


@pytest.mark.parametrize(
    ("address", "more", "words"),
    [
        (
            "http://shop.example:99999/",
            "",
            "The `url` of an http check has a host or a port that cannot be used.",
        ),
        ("http://[::1", "", "The `url` of an http check has a host or a port that cannot be used."),
        ("http://?x", "", "The `url` of an http check must begin with http:// or https://."),
        ("http://shop.example/", "ca: a.pem", "`ca` is of no use for http://: there is no certificate."),
        (
            "https://ana:pw@shop.example/",
            "headers: {authorization: x}",
            "Both the `url` of an http check and its header `Authorization` name a user.",
        ),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_its_line(
    tmp_path: Path, address: str, more: str, words: str
) -> None:
    path = tmp_path / "rollback.yaml"
    path.write_text(f"{FILE.replace('https://shop.example/', address)}        {more}\n")
    with pytest.raises(ConfigurationError) as refused:
        load(path, definitions())
    (problem,) = refused.value.problems
    line, _, said = problem.removeprefix(f"{path}:").partition(": ")
    assert line == ("10" if more else "9")
    assert said.startswith(words)
