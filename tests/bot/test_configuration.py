"""rollback.yaml: what it may say, and every way in which it is refused, with file and line."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.command.settings import CommandCheckSettings, CommandSettings
from backends.http.settings import HttpCheckSettings
from backends.sql.settings import SqlCheckSettings
from bot.commands import RESERVED
from bot.configuration import Configuration, Rule, policy_digest, procedure_digest
from bot.configuration import json_schema as schema_of
from bot.configuration import load as loaded_with
from bot.configuration import warnings as warnings_with
from bot.configuration.lines import LARGEST_BYTES, read
from bot.configuration.values import Reference, resolve
from bot.errors import ConfigurationError
from bot.model import Kind, OnFailure, Phase, Risk, When
from tests.bot.configured import KNOWN

EXAMPLE = Path(__file__).parents[2] / "rollback.example.yaml"

SMALL = """\
version: 1
people:
  - {name: Ana, slack: [U1, U2], email: ana@example.com}
  - {name: Ben, slack: [U3]}
groups:
  managers: {members: [Ana, Ben]}
defaults:
  approval: {from: [managers]}
targets:
  orders:
    kind: database
    executor: {type: sqlite, database: orders.db, backups: backups}
    checks:
      - {type: command, argv: [smoke-test]}
  shop:
    kind: system
    executor: {type: releases, root: shop}
procedures:
  careful:
    steps:
      - {phase: prepare, confirm: Drained}
      - {phase: restore}
"""


def load(path: Path) -> Configuration:
    return loaded_with(path, KNOWN)


def json_schema() -> dict[str, Any]:
    return schema_of(KNOWN)


def warnings(configuration: Configuration) -> tuple[str, ...]:
    return warnings_with(configuration, KNOWN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollback.yaml"


def written(path: Path, old: str = "", new: str = "") -> Path:
    """SMALL with one replacement."""
    assert SMALL.count(old) == 1 or not old
    path.write_text(SMALL.replace(old, new) if old else SMALL)
    return path


def problems(path: Path) -> list[str]:
    """Each as `line: sentence`."""
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


# What it says -----------------------------------------------------------------------------------


def test_the_small_file_is_loaded_with_its_defaults(path: Path) -> None:
    configuration = load(written(path))
    orders = configuration.targets["orders"]
    assert (configuration.version, configuration.timezone, configuration.command) == (1, "UTC", "/rollback")
    assert (orders.name, orders.kind, orders.environment) == ("orders", Kind.DATABASE, "production")
    assert (orders.risk, orders.rto, orders.rpo, orders.loss) == (Risk.STANDARD, None, None, None)
    assert orders.approval == Rule(from_=("managers",), quorum=1, expires=1800, start_within=300)
    assert (orders.undo_days, orders.drops_undo_points) == (7, False)
    assert configuration.path == path


def test_undo_points_are_dropped_only_where_somebody_has_written_down_when(path: Path) -> None:
    orders = load(written(path, ORDERS, f"{ORDERS}\n    undo_days: 7")).targets["orders"]
    assert (orders.undo_days, orders.drops_undo_points) == (7, True)


def test_every_check_has_the_declared_defaults(path: Path) -> None:
    check = load(written(path)).targets["orders"].checks[0]
    assert isinstance(check, CommandCheckSettings)
    assert (check.when, check.timeout, check.stable, check.every, check.wait) == (When.OFFLINE, 10, 1, 1, 180)


def test_a_step_waits_fifteen_minutes_and_pauses_on_failure(path: Path) -> None:
    step = load(written(path)).procedures["careful"].steps[1]
    assert (step.phase, step.timeout, step.on_failure) == (Phase.RESTORE, 900, OnFailure.PAUSE)


def test_a_system_declares_no_loss_unless_it_says_otherwise(path: Path) -> None:
    loss = load(written(path)).targets["shop"].loss
    assert loss is not None
    assert loss.declared == "none"


def test_a_target_takes_from_the_defaults_only_what_it_leaves_out(path: Path) -> None:
    both = "approval: {from: [managers], quorum: 2, expires: 1h}"
    written(path, "approval: {from: [managers]}", both)
    path.write_text(
        path.read_text().replace("    kind: system", "    kind: system\n    approval: {quorum: 1}")
    )
    targets = load(path).targets
    assert targets["orders"].approval == Rule(from_=("managers",), quorum=2, expires=3600)
    assert targets["shop"].approval == Rule(from_=("managers",), quorum=1, expires=3600)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("2d", 172800), ("12", 12), ("0.25", 0.25)],
)
def test_a_duration_is_seconds(path: Path, text: str, seconds: float) -> None:
    written(path, "kind: database", f"kind: database\n    rto: {text}")
    assert load(path).targets["orders"].rto == seconds


def test_an_rpo_of_zero_means_that_nothing_may_be_lost(path: Path) -> None:
    assert load(written(path, "kind: database", "kind: database\n    rpo: 0")).targets["orders"].rpo == 0


def test_words_that_older_yaml_reads_as_something_else_stay_words(path: Path) -> None:
    written(path, "argv: [smoke-test]", "argv: [maint, on, off, yes, 1:30, 2026-11-22, 0123, 5, 12e4567]")
    check = load(path).targets["orders"].checks[0]
    assert isinstance(check, CommandCheckSettings)
    assert check.argv == ("maint", "on", "off", "yes", "1:30", "2026-11-22", "0123", "5", "12e4567")


def test_what_a_query_must_equal_keeps_its_type(path: Path) -> None:
    for text, value in {"0": 0, "0.5": 0.5, "ok": "ok", '"0"': "0"}.items():
        check = f'{{type: sql, url: "sqlite:///a.db", query: q, equals: {text}}}'
        found = load(written(path, "{type: command, argv: [smoke-test]}", check)).targets["orders"].checks[0]
        assert isinstance(found, SqlCheckSettings)
        assert (found.equals, type(found.equals)) == (value, type(value))


def test_an_http_check_without_maintenance_is_offline(path: Path) -> None:
    check = '{type: http, url: "http://127.0.0.1:1/"}'
    found = load(written(path, "{type: command, argv: [smoke-test]}", check)).targets["orders"].checks[0]
    assert isinstance(found, HttpCheckSettings)
    assert found.when is When.OFFLINE


def test_an_anchor_may_be_used_again(path: Path) -> None:
    path.write_text(SMALL.replace("members: [Ana", "members: &all [Ana") + "audit_channel: audit\n")
    path.write_text(path.read_text().replace("kind: system", "kind: system\n    requesters: *all"))
    assert load(path).targets["shop"].requesters == ("Ana", "Ben")


def test_the_address_for_links_has_no_slash_at_its_end(path: Path) -> None:
    path.write_text(SMALL + "public_url: https://rollback.example/\n")
    assert load(path).public_url == "https://rollback.example"


def test_a_file_with_a_byte_order_mark_is_read(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load(path).targets


# People -----------------------------------------------------------------------------------------


def test_an_account_a_name_and_a_verified_email_lead_to_the_same_human(path: Path) -> None:
    configuration = load(written(path))
    ana = configuration.people[0]
    assert configuration.human("U1") is configuration.human("U2") is ana
    assert configuration.human("U9", "ANA@example.com") is ana
    assert configuration.human("U9", "other@example.com") is None
    assert configuration.human("U9") is None


def test_a_name_stands_for_all_accounts_and_an_id_for_itself(path: Path) -> None:
    configuration = load(written(path))
    assert configuration.account_ids("Ana") == ("U1", "U2")
    assert configuration.account_ids("U9") == ("U9",)
    assert configuration.account_ids("nobody") == ()
    assert configuration.members("managers") == ("U1", "U2", "U3")


# Values that stand elsewhere --------------------------------------------------------------------


def test_a_value_from_the_environment_is_kept_as_a_reference_and_resolved_later(path: Path) -> None:
    written(path, "root: shop", "root: {env: SHOP}")
    root = load(path).targets["shop"].executor.model_dump()["root"]
    assert root == {"env": "SHOP"}
    assert resolve(Reference("env", "SHOP"), {"SHOP": "/srv/shop"}, path.parent) == "/srv/shop"


def test_a_variable_of_a_program_is_kept_as_a_reference(path: Path) -> None:
    written(path, "argv: [smoke-test]", "argv: [smoke-test], environment: {KEY: {file: key}, ZONE: eu}")
    check = load(path).targets["orders"].checks[0]
    assert isinstance(check, CommandCheckSettings)
    assert check.environment == {"KEY": Reference("file", "key"), "ZONE": "eu"}


def test_a_value_from_a_file_loses_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" secret \r\n")
    assert resolve(Reference("file", "key"), {}, tmp_path) == " secret "


def test_a_value_that_stands_in_the_file_is_itself(tmp_path: Path) -> None:
    assert resolve("shop", {}, tmp_path) == "shop"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (Reference("env", "SHOP"), "The environment variable SHOP is not set."),
        (Reference("file", "missing"), "The file missing cannot be read: No such file or directory."),
        (Reference("file", "binary"), "The file binary is not UTF-8."),
    ],
)
def test_a_value_that_cannot_be_had_is_said(tmp_path: Path, reference: Reference, words: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        resolve(reference, {}, tmp_path)
    assert caught.value.problems == (words,)


# One problem, one sentence, one line ------------------------------------------------------------

SHOP, ORDERS = "kind: system", "kind: database"
CHECK = "{type: command, argv: [smoke-test]}"
MAINTENANCE = """\
kind: database
    maintenance: {enter: {type: command, argv: [a]}, leave: {type: command, argv: [b]}}"""
PROBLEMS = [
    # shapes
    ("version: 1", "version: 2", "1: `version` must be 1, not `2`."),
    ("version: 1", "timezone: UTC", "1: The file needs `version`. Add it."),
    (
        SHOP,
        "kind: sistem",
        "16: `targets.shop.kind` must be system, database or dataset, not `sistem`. Did you mean `system`?",
    ),
    ("    kind: system\n", "", "15: `targets.shop` needs `kind`. Add it."),
    (
        SHOP,
        f"{SHOP}\n    rtoo: 5m",
        "17: `targets.shop.rtoo` is not a setting. Did you mean `rto`? Known here: kind,",
    ),
    (SHOP, f"{SHOP}\n    name: shop", "17: `targets.shop.name` is not a setting."),
    (
        SHOP,
        f"{SHOP}\n    rto: soon",
        "17: `targets.shop.rto`: must be a duration such as 90s, 5m, 1h, 2d or 500ms, not `soon`.",
    ),
    (SHOP, f"{SHOP}\n    rto: 0", "17: `targets.shop.rto` must be more than 0, not `0`."),
    (SHOP, f"{SHOP}\n    rto: 9999d", "17: `targets.shop.rto` must be 365d or less, not `9999d`."),
    (SHOP, f"{SHOP}\n    undo_days: 1.5", "17: `targets.shop.undo_days` must be a whole number, not `1.5`."),
    (
        SHOP,
        f"{SHOP}\n    undo_days: true",
        "17: `targets.shop.undo_days` must be a whole number, not `true`.",
    ),
    (
        SHOP,
        f"{SHOP}\n    owner: true",
        "17: `targets.shop.owner` must be text, not `true`. Put it in quotes.",
    ),
    (SHOP, f"{SHOP}\n    owner: ''", "17: `targets.shop.owner` must not be empty."),
    (
        SHOP,
        f"{SHOP}\n    owner: {{env: OWNER}}",
        "17: `targets.shop.owner` must be text, not a mapping. Only executors, checks",
    ),
    (
        SHOP,
        f"{SHOP}\n    requesters: Ana",
        "17: `targets.shop.requesters` must be a list such as [a, b], not `Ana`.",
    ),
    (SHOP, f"{SHOP}\n    approval:", "17: `targets.shop.approval` must be a mapping of settings, not empty."),
    (
        SHOP,
        f"{SHOP}\n    loss_tolerance: much",
        "17: `targets.shop.loss_tolerance` must be a number, not `much`.",
    ),
    (SHOP, f"{SHOP}\n    loss: {{declared: none}}", "17: `targets.shop.loss` needs `by`. Add it."),
    ("type: releases, root: shop", "type: releases", "17: `targets.shop.executor` needs `root`. Add it."),
    (
        "type: releases, root: shop",
        "root: shop",
        "17: `targets.shop.executor` needs `type`: command, git, releases or sqlite.",
    ),
    (
        "type: releases, root: shop",
        "type: relases",
        "17: `targets.shop.executor`: type `relases` is not known. Did you mean `releases`?",
    ),
    (
        "root: shop",
        "root: {envy: SHOP}",
        "17: `targets.shop.executor.root`: must be text (in quotes), {env: NAME} or {file: PATH}",
    ),
    ("root: shop", "root: ''", "17: `root` is empty. Write a path, {env: NAME}"),
    (
        SHOP,
        f"{SHOP}\n    watch: 1s",
        "17: `watch` is under a minute, and each look is work for the backend. Write 1m or more.",
    ),
    (
        "root: shop",
        "rooot: shop",
        "17: `targets.shop.executor.rooot` is not a setting. Did you mean `root`? "
        "Known here: type, root, link, releases, ignore, names_zone.",
    ),
    ("argv: [smoke-test]", "argv: []", "14: `targets.orders.checks[0].argv` must not be empty."),
    (
        "argv: [smoke-test]",
        "argv: [a, 1.10]",
        "14: `targets.orders.checks[0].argv[1]`: must be text (in quotes)",
    ),
    (
        "argv: [smoke-test]",
        "argv: [a, {env: TOKEN}]",
        "14: `targets.orders.checks[0].argv[1]` cannot be a reference: everybody on the machine can read a "
        "command line. Hand the value over by `environment`, or give the program the path of the file.",
    ),
    (
        "{type: releases, root: shop}",
        "{type: command, points: {argv: [a]}, current: {argv: [a]}, restore: {argv: [a, {env: TOKEN}]}}",
        "17: `targets.shop.executor.restore.argv[1]` cannot be a reference",
    ),
    (
        ORDERS,
        MAINTENANCE.replace("argv: [b]", "argv: [b, {file: key}]"),
        "12: `targets.orders.maintenance.leave.argv[1]` cannot be a reference",
    ),
    (
        "argv: [smoke-test]",
        "argv: [smoke-test], environment: {MY-KEY: {file: key}}",
        "14: `MY-KEY` cannot be the name of a variable.",
    ),
    (
        CHECK,
        "{type: prometheus}",
        "14: `targets.orders.checks[0]`: type `prometheus` is not known. Known: command, http or sql.",
    ),
    (
        CHECK,
        '{type: sql, url: "sqlite:///a", query: q, equals: [1]}',
        "14: `targets.orders.checks[0].equals`: must be a number or text, not a list.",
    ),
    (
        "from: [managers]",
        "from_: [managers]",
        "8: `defaults.approval.from_` is not a setting. Did you mean `from`?",
    ),
    # settings that stand alone
    (
        "version: 1",
        "version: 1\ntimezone: Europe/Berln",
        "2: `Europe/Berln` is no time zone. Did you mean `Europe/Berlin`?",
    ),
    ("version: 1", "version: 1\ntimezone: ../etc", "2: `../etc` is no time zone."),
    ("version: 1", "version: 1\ncommand: rollback", "2: `rollback` cannot be a command."),
    ("version: 1", "version: 1\npublic_url: rollback.example", "2: `public_url` must be an address."),
    ("version: 1", "version: 1\nincident_channels: ['#inc']", "2: `#inc` is no channel."),
    ("version: 1", "version: 1\naudit_channel: 'audit-*'", "2: `audit-*` is no channel."),
    # names
    ("shop:\n", "Shop:\n", "15: `Shop` cannot be the name of a target."),
    ("shop:\n", "-shop:\n", "15: `-shop` cannot be the name of a target."),
    ("shop:\n", f"{'s' * 64}:\n", "cannot be the name of a target."),
    ("  careful:", "  Careful one:", "19: `Careful one` cannot be the name of a procedure."),
    # people and groups
    ("slack: [U3]", "slack: [U2]", "4: `U2` is listed for two people."),
    ("slack: [U3]", "slack: [ben]", "4: `ben` is no Slack user id."),
    ("slack: [U3]", "slack: []", "4: Ben has neither a Slack account nor an e-mail."),
    ("slack: [U3]", "slack: [U3], email: ANA@example.com", "4: `ana@example.com` is listed for two people."),
    ("name: Ben", "name: Ana", "4: `Ana` is listed for two people."),
    ("name: Ben", "name: managers", "4: `managers` is a group as well as a person."),
    ("{members: [Ana, Ben]}", "{members: []}", "6: Group `managers` is empty."),
    ("{members: [Ana, Ben]}", "{}", "6: Group `managers` is empty."),
    ("{members: [Ana, Ben]}", "{members: [Ana], slack_usergroup: S1}", "6: Group `managers` has both"),
    ("{members: [Ana, Ben]}", "{slack_usergroup: managers}", "6: `managers` is no id of a Slack user group."),
    (
        "{members: [Ana, Ben]}",
        "{members: [Ana, Benn]}",
        "Member `Benn` of group `managers` is no Slack user id and nobody in `people`. Did you mean `Ben`?",
    ),
    # approval
    ("approval: {from: [managers]}", "approval: {}", "15: Nobody could approve a rollback of `shop`."),
    ("approval: {from: [managers]}", "approval: {from: []}", "8: Nobody could approve a rollback of `shop`."),
    ("defaults:\n  approval: {from: [managers]}\n", "", "13: Nobody could approve a rollback of `shop`."),
    (
        "from: [managers]",
        "from: [mangers]",
        "8: `mangers` is no group, no name in `people` and no Slack user id. Did you mean `managers`?",
    ),
    (
        "from: [managers]",
        "from: [managers], quorum: 0",
        "8: `defaults.approval.quorum` must be 1 or more, not `0`.",
    ),
    (
        "from: [managers]",
        "from: [managers], quorum: 3",
        "8: `shop` needs 3 approvals, and only 2 people may approve it.",
    ),
    (
        "from: [managers]",
        "from: [U1, U2, Ana], quorum: 2",
        "8: `shop` needs 2 approvals, and only 1 person may approve it.",
    ),
    (
        SHOP,
        f"{SHOP}\n    approval: {{quorum: 3}}",
        "17: `shop` needs 3 approvals, and only 2 people may approve it.",
    ),
    (
        SHOP,
        f"{SHOP}\n    approval: {{from: [Ana]}}\n    requesters: [U2]",
        "17: Whoever asks for `shop` leaves too few others",
    ),
    (
        SHOP,
        f"{SHOP}\n    requesters: [managers]\n    approval: {{quorum: 2}}",
        "8: Whoever asks for `shop` leaves too few",
    ),
    (
        SHOP,
        f"{SHOP}\n    requesters: []",
        "17: An empty list lets every full member ask. Leave it out for that, or say who may.",
    ),
    (
        SHOP,
        f"{SHOP}\n    requesters: [nobody]",
        "17: `nobody` is no group, no name in `people` and no Slack user id.",
    ),
    (
        SHOP,
        f"{SHOP}\n    point_of_contact: Bem",
        "17: Contact `Bem` of `shop` is no Slack user id and nobody in `people`. Did you mean `Ben`?",
    ),
    # checks
    (
        f"{ORDERS}",
        f"{MAINTENANCE}\n    checks: []",
        "`checks` stands here twice, first on line 13. Keep one.",
    ),
    (
        CHECK,
        '{type: http, url: "ftp://shop"}',
        "14: The `url` of an http check must begin with http:// or https://.",
    ),
    (
        CHECK,
        '{type: sql, url: "postgresql://shop", tables: [a]}',
        "14: The `url` of an sql check must begin with sqlite:///",
    ),
    (CHECK, '{type: sql, url: "sqlite:///a"}', "14: An sql check needs either `query` or `tables`."),
    (
        CHECK,
        '{type: sql, url: "sqlite:///a", query: q, tables: [a], equals: 1}',
        "14: An sql check needs either",
    ),
    (CHECK, '{type: sql, url: "sqlite:///a", query: q}', "14: Nothing judges this query."),
    (
        CHECK,
        '{type: sql, url: "sqlite:///a", tables: [a], min: 1}',
        "14: Tables are compared before and after;",
    ),
    (
        CHECK,
        '{type: sql, url: "sqlite:///a", query: q, equals: 1, max: 1}',
        "14: `equals` cannot stand beside",
    ),
    (CHECK, '{type: sql, url: "sqlite:///a", query: q, min: 2, max: 1}', "14: `min` is larger than `max`"),
    (
        CHECK,
        "{type: command, name: a, argv: [a]}\n      - {type: command, name: a, argv: [b]}",
        "15: Two checks of `orders` are named `a`.",
    ),
    # procedures
    (
        SHOP,
        f"{SHOP}\n    procedure: carefull",
        "17: Procedure `carefull` of `shop` is not defined. Did you mean `careful`?",
    ),
    (
        "phase: restore}",
        "phase: restore, target: shpo}",
        "22: Target `shpo` is not defined. Did you mean `shop`?",
    ),
    ("phase: restore}", "phase: restore, target: shop, confirm: Sure}", "22: A step either asks people"),
    ("phase: restore}", "phase: verify, target: shop}", "22: A step of phase verify can only ask people"),
    ("phase: restore}", "phase: verify}", "22: A step of phase verify can only ask people"),
    ("phase: prepare, confirm", "phase: verify, confirm", "22: Phase restore comes too late here."),
    (SMALL[SMALL.index("    steps:") :], "    document: a.md\n", "19: Procedure `careful` has no steps."),
    (SHOP, f"{SHOP}\n    procedure: other\n  # ", "17: Procedure `other` of `shop` is not defined."),
]


@pytest.mark.parametrize(("old", "new", "problem"), PROBLEMS)
def test_each_problem_is_told_with_its_line(path: Path, old: str, new: str, problem: str) -> None:
    assert any(problem in found for found in problems(written(path, old, new)))


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_target_cannot_be_named_like_a_verb(path: Path, word: str) -> None:
    expected = f"15: A target cannot be named `{word}`: that word is a command. Give it another name."
    assert problems(written(path, "shop:\n", f"{word}:\n")) == [expected]


def test_an_http_check_must_say_when_it_looks_where_maintenance_exists(path: Path) -> None:
    check = '{type: http, url: "http://127.0.0.1:1/"}'
    path.write_text(SMALL.replace(ORDERS, MAINTENANCE).replace(CHECK, check))
    assert problems(path) == [
        "15: This check of `orders` must say when it looks, since the target has maintenance. "
        "Add `when: offline` (behind it) or `when: online` (after it)."
    ]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            "- {phase: prepare, confirm: Drained}",
            "never restores `shop`. Add the step {phase: restore, target: shop}.",
        ),
        (
            "- {phase: restore, target: orders}",
            "never restores `shop`. Add the step {phase: restore, target: shop}.",
        ),
        (
            "- {phase: restore}\n      - {phase: restore, target: shop}",
            "restores `shop` twice. Keep one of the steps.",
        ),
    ],
)
def test_a_procedure_restores_its_own_target_once(path: Path, steps: str, words: str) -> None:
    head = SMALL[: SMALL.index("      - {phase: prepare")].replace(SHOP, f"{SHOP}\n    procedure: careful")
    path.write_text(f"{head}      {steps}\n")
    assert problems(path) == [f"17: Procedure `careful` {words}"]


def test_one_requester_who_leaves_enough_approvers_is_enough(path: Path) -> None:
    written(path, SHOP, f"{SHOP}\n    approval: {{from: [Ana]}}\n    requesters: [Ana, Ben]")
    assert load(path).targets["shop"].requesters == ("Ana", "Ben")


def test_people_of_a_slack_user_group_cannot_be_counted_here(path: Path) -> None:
    members = "{members: [Ana, Ben]}"
    written(path, members, "{slack_usergroup: S1}")
    path.write_text(path.read_text().replace("from: [managers]", "from: [managers], quorum: 5"))
    assert load(path).targets["shop"].approval.quorum == 5


# Every problem at once --------------------------------------------------------------------------


def test_every_problem_is_told_at_once_in_the_order_of_lines(path: Path) -> None:
    path.write_text("""\
version: 1
groups:
  empty: {members: []}
  managers: {members: [U1, U2]}
targets:
  points:
    kind: sistem
    executor: {type: releases}
    approval: {from: [manager], quorum: 0}
  orders:
    kind: database
    kind: database
    executor: {type: kubernetes}
    approval: {from: [managers], quorum: 3}
    checks:
      - {type: prometheus}
      - {type: http, url: x, timeout: fast}
    procedure: shop
procedures:
  shop:
    steps:
      - {phase: resore, target: orders}
      - {phase: restore, target: oders}
""")
    found = [problem.split(".")[0] for problem in problems(path)]
    assert [problem[:40] for problem in found] == [
        "3: Group `empty` is empty",
        "6: A target cannot be named `points`: th",
        "7: `targets",
        "8: `targets",
        "9: `manager` is no group, no name in `pe",
        "9: `targets",
        "12: `kind` stands here twice, first on l",
        "13: `targets",
        "14: `orders` needs 3 approvals, and only",
        "16: `targets",
        "17: The `url` of an http check must begi",
        "17: `targets",
        "22: `procedures",
        "23: Target `oders` is not defined",
    ]


def test_what_follows_only_from_another_problem_is_not_told(path: Path) -> None:
    written(path, "{members: [Ana, Ben]}", "{members: 5}")
    assert problems(path) == ["6: `groups.managers.members` must be a list such as [a, b], not `5`."]


def test_a_problem_of_the_defaults_is_told_once_and_not_for_each_target(path: Path) -> None:
    assert len(problems(written(path, "from: [managers]", "from: [nobody]"))) == 1


# Files that cannot be read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "1: The file is empty. Start from rollback.example.yaml."),
        (b"# nothing\n", "1: The file is empty."),
        (b"- a\n", "1: The file must hold settings, each as `name: value`."),
        (b"a: [1\nb: 2\n", "2: This is not readable as YAML: while parsing a flow sequence"),
        (b"a: 1\n\tb: 2\n", "2: This is not readable as YAML"),
        (b"a: 1\n---\nb: 2\n", "2: This is not readable as YAML: expected a single document"),
        (b"a: 1\nb: \xff\n", "2: This line is not UTF-8."),
        (b"a: 1\nb: \x01\n", "2: This line holds a control character (U+0001)."),
        (b'a: 1\nb: "\\ud800"\n', "2: Half a character"),
        (b"a: 1\nb: !!python/object:os.system x\n", "2: The tag !!python/object:os.system is not read here."),
        (b"a: 1\nb: !mine [x]\n", "2: The tag !mine is not read here."),
        (b"a: 1\n<<: {b: 2}\n", "2: Merge keys (<<) are not read here."),
        (b"a: 1\n[b]: 2\n", "2: A key must be plain text."),
        (b"a: 1\na: 2\n", "2: `a` stands here twice, first on line 1. Keep one."),
        (b"a: " + b"9" * 5000, "1: This is no int that can be read."),
        (b"a: *b\n", "1: This is not readable as YAML: found undefined alias"),
        (b"a: &a [*a]\n", "1: The aliases (*) unfold to too much."),
        (b"[" * 100_000, "1: This is not readable as YAML: more than 20 levels"),
        (b"x" * (LARGEST_BYTES + 1), "1: The file is larger than 1 MB."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_line(path: Path, data: bytes, problem: str) -> None:
    path.write_bytes(data)
    assert any(found.startswith(problem) for found in problems(path))


def test_a_missing_file_is_a_problem_like_others(path: Path) -> None:
    assert problems(path) == [
        "1: The file cannot be read: No such file or directory. Start from rollback.example.yaml."
    ]


def test_a_billion_laughs_are_refused_before_they_unfold() -> None:
    levels = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    levels += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    sheet = read("\n".join(levels).encode())
    assert sheet.values is None
    assert "unfold to too much" in sheet.problems[0].words


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_whatever_make_the_reader_fail(data: bytes) -> None:
    sheet = read(data)
    assert all(problem.line >= 1 for problem in sheet.problems)


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "from", "env", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(values: Any, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in nested values."""
    match values:
        case dict():
            inside: Iterable[tuple[str | int, Any]] = values.items()
        case list():
            inside = enumerate(values)
        case _:
            inside = ()
    for key, value in inside:
        yield (*here, key)
        yield from places(value, (*here, key))


EXAMPLE_VALUES = read(EXAMPLE.read_bytes()).values
PLACES = list(places(EXAMPLE_VALUES))


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(PLACES), JUNK, min_size=1, max_size=4))
def test_junk_anywhere_in_the_file_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, junk: Mapping[tuple[str | int, ...], Any]
) -> None:
    document = deepcopy(EXAMPLE_VALUES)
    for place in sorted(junk, key=len, reverse=True):
        holder = document
        for part in place[:-1]:
            holder = holder[part]
        holder[place[-1]] = junk[place]
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_text(yaml.safe_dump(document))
    with suppress(ConfigurationError):
        load(path)


# Digests ----------------------------------------------------------------------------------------


def digests(path: Path, old: str = "", new: str = "") -> tuple[str, str, str]:
    configuration = load(written(path, old, new))
    shop = configuration.targets["shop"]
    return configuration.digest, policy_digest(configuration, shop), procedure_digest(configuration, shop)


def test_comments_and_layout_do_not_change_a_digest(path: Path) -> None:
    assert digests(path, "version: 1", "# words\nversion:    1") == digests(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from: [managers]", "from: [managers], quorum: 2"),
        ("from: [managers]", "from: [managers, U9]"),
        ("from: [managers]", "from: [managers], expires: 31m"),
        ("members: [Ana, Ben]", "members: [Ana, Ben, U9]"),
        ("slack: [U3]", "slack: [U3, U4]"),
        (SHOP, f"{SHOP}\n    risk: critical"),
        (SHOP, f"{SHOP}\n    requesters: [U9]"),
        (SHOP, f"{SHOP}\n    owner: Ben"),
        (SHOP, f"{SHOP}\n    rpo: 1m"),
        (SHOP, f"{SHOP}\n    loss_tolerance: 1"),
        (SHOP, f"{SHOP}\n    loss: {{declared: unknown, by: Ana, because: caches}}"),
    ],
)
def test_what_an_approval_depends_on_changes_the_policy_digest_alone(path: Path, old: str, new: str) -> None:
    before, after = digests(path), digests(path, old, new)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert before[2] == after[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("root: shop", "root: other"),
        ("root: shop", "root: {env: SHOP}"),
        (SHOP, f"{SHOP}\n    checks: [{{type: command, argv: [a]}}]"),
        (SHOP, f"{SHOP}\n    undo_days: 8"),
        (SHOP, f"{SHOP}\n    environment: staging"),
        (SHOP, f"{SHOP}\n    procedure: careful"),
    ],
)
def test_what_will_be_done_changes_the_procedure_digest_alone(path: Path, old: str, new: str) -> None:
    before, after = digests(path), digests(path, old, new)
    assert before[1] == after[1]
    assert before[2] != after[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("members: [Ana, Ben]", "members: [Ben, Ana]"),
        (ORDERS, f"{ORDERS}\n    risk: critical"),
        ("database: orders.db", "database: other.db"),
        (SHOP, f"{SHOP}\n    failover: phone Ana"),
        ("version: 1", "version: 1\naudit_channel: audit"),
        ("confirm: Drained", "confirm: Really drained"),
    ],
)
def test_what_does_not_concern_a_target_leaves_both_of_its_digests(path: Path, old: str, new: str) -> None:
    assert digests(path)[1:] == digests(path, old, new)[1:]


def test_another_target_of_the_same_procedure_is_part_of_both_digests(path: Path) -> None:
    together = SMALL.replace(SHOP, f"{SHOP}\n    procedure: careful").replace(
        "{phase: restore}", "{phase: restore}\n      - {phase: restore, target: orders}"
    )
    path.write_text(together)
    before = load(path)
    path.write_text(together.replace(ORDERS, f"{ORDERS}\n    rpo: 1m").replace("orders.db", "other.db"))
    after = load(path)
    shop = before.targets["shop"]
    assert policy_digest(before, shop) != policy_digest(after, shop)
    assert procedure_digest(before, shop) != procedure_digest(after, shop)


# Warnings ---------------------------------------------------------------------------------------


def test_wildcards_without_an_audit_channel_are_a_warning(path: Path) -> None:
    path.write_text(SMALL + 'incident_channels: ["inc-*"]\n')
    assert any("`audit_channel`" in words for words in warnings(load(path)))
    path.write_text(SMALL + 'incident_channels: ["inc-*"]\naudit_channel: audit\n')
    assert not any("`audit_channel`" in words for words in warnings(load(path)))


def test_two_targets_that_are_one_thing_are_a_warning(path: Path) -> None:
    written(path, "type: releases, root: shop", "type: sqlite, database: ./orders.db, backups: others")
    assert any("`shop` changes the same as `orders`" in words for words in warnings(load(path)))


@pytest.mark.parametrize(("owner", "told"), [("", False), ("    owner: Ana\n", True)])
def test_drills_of_which_nobody_is_reminded_are_a_warning(path: Path, owner: str, told: bool) -> None:
    drilled = f"    kind: database\n{owner}    drill: {{mode: beside, every: 90d}}\n"
    found = warnings(load(written(path, "    kind: database\n", drilled)))
    assert any("Nobody is reminded of the drills of `orders`" in words for words in found) is not told


def test_drills_that_are_due_more_often_than_people_are_reminded_are_refused(path: Path) -> None:
    drilled = "    kind: database\n    drill: {mode: beside, every: 23h}\n"
    with pytest.raises(ConfigurationError, match="`every` is under a day"):
        load(written(path, "    kind: database\n", drilled))


def test_the_copy_of_a_snapshot_stands_for_an_hour_at_least(path: Path) -> None:
    audited = "    kind: database\n    snapshots: {keep: 59m}\n"
    with pytest.raises(ConfigurationError, match="`keep` is under an hour"):
        load(written(path, "    kind: database\n", audited))


PROGRAMS = "points: {argv: [a]}, current: {argv: [a]}, restore: {argv: [a]}"
BACKED_UP = "    kind: database\n    backup: {every: 1h, keep: 14d}\n"


@pytest.mark.parametrize(
    ("every", "keep", "words"),
    [("4m", "1d", "`every` is under 5 minutes"), ("1d", "6h", "`keep` is shorter than `every`")],
)
def test_backups_that_would_be_of_no_use_are_refused(path: Path, every: str, keep: str, words: str) -> None:
    backed_up = BACKED_UP.replace("1h", every).replace("14d", keep)
    with pytest.raises(ConfigurationError, match=words):
        load(written(path, "    kind: database\n", backed_up))


def test_backups_that_are_taken_more_seldom_than_the_rpo_allows_are_a_warning(path: Path) -> None:
    backed_up = f"{BACKED_UP}    rpo: 30m\n"
    found = warnings(load(written(path, "    kind: database\n", backed_up)))
    assert any("`every` of the backups of `orders` is longer than its `rpo`" in words for words in found)


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        ("type: releases, root: shop", "nothing to back up"),
        ("type: git, remote: /srv/r, branch: main", "nothing to back up"),
        (f"type: command, {PROGRAMS}", "Without `save` nothing can be backed up"),
        (
            'type: sqlite, database: a.db, backups: b, names: ["%Y%m%d.db"]',
            "No form of a name tells the second",
        ),
    ],
    ids=["releases", "git", "command", "sqlite"],
)
def test_backups_that_a_backend_cannot_take_are_refused(path: Path, executor: str, words: str) -> None:
    backed_up = f"{executor}}}\n    backup: {{every: 1h, keep: 14d"
    with pytest.raises(ConfigurationError, match=words):
        load(written(path, "type: releases, root: shop", backed_up))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("hooks:\n  ci: {token: abc}\n", "A token is a secret"),
        ("hooks:\n  ci: {token: {env: CI}, targets: [order]}\n", "There is no target `order`"),
        ("significant:\n  - {}\n", "fits every change"),
        ("significant:\n  - {target: order}\n", "There is no target `order`"),
    ],
)
def test_hooks_and_rules_that_cannot_be_meant_are_refused(path: Path, more: str, words: str) -> None:
    written(path)
    path.write_text(path.read_text() + more)
    with pytest.raises(ConfigurationError, match=words):
        load(path)


def test_drills_after_changes_without_a_rule_for_them_are_a_warning(path: Path) -> None:
    drilled = "    kind: database\n    drill: {mode: beside, after: significant}\n"
    found = warnings(load(written(path, "    kind: database\n", drilled)))
    assert any("No drill of `orders` ever follows a change" in words for words in found)


STAGE = """\
  stage:
    kind: database
    environment: staging
    executor: {type: sqlite, database: stage.db, backups: stage-backups}
    checks:
      - {type: command, argv: [smoke-test]}
"""
BILLING = """\
  billing:
    kind: database
    executor: {type: sqlite, database: billing.db, backups: billing-backups}
"""
MAINTAINED = """\
    maintenance:
      enter: {type: command, argv: [gate, close]}
      leave: {type: command, argv: [gate, open]}
"""
BOTH = "  both: {steps: [{phase: restore, target: stage}, {phase: restore, target: orders}]}\n"


def rehearsing(
    path: Path, drill: str = "mode: rehearsal, target: stage", stage: str = STAGE
) -> Configuration:
    written(path, "    kind: database\n", f"    kind: database\n    drill: {{{drill}}}\n")
    text = path.read_text().replace("targets:\n", f"targets:\n{stage}", 1)
    path.write_text(text.replace("procedures:\n", f"procedures:\n{BOTH}", 1))
    return load(path)


def test_a_rehearsal_is_on_a_target_of_another_environment(path: Path) -> None:
    drill = rehearsing(path).targets["orders"].drill
    assert drill is not None
    assert (drill.mode, drill.target) == ("rehearsal", "stage")


@pytest.mark.parametrize(
    ("drill", "stage", "words"),
    [
        ("mode: rehearsal", STAGE, "Name it: `target`"),
        ("mode: beside, target: stage", STAGE, "Only a rehearsal has another target"),
        ("mode: rehearsal, target: stag", STAGE, "There is no target `stag`"),
        ("mode: rehearsal, target: orders", STAGE, "is the target itself"),
        ("mode: rehearsal, target: stage", STAGE.replace("staging", "Production"), "is Production as well"),
        ("mode: rehearsal, target: stage", STAGE.replace("stage.db", "orders.db"), "changes the same"),
        ("mode: rehearsal, target: stage", STAGE.replace("staging", "live"), "people live by"),
        (
            "mode: rehearsal, target: stage",
            STAGE.replace("stage-backups", "backups"),
            "saves what it takes back",
        ),
        ("mode: rehearsal, target: stage", f"{STAGE}    procedure: both\n", "restores other targets as well"),
        (
            "mode: rehearsal, target: stage",
            STAGE.partition("    checks:")[0],
            "lacks checks of `orders`: command",
        ),
        (
            "mode: rehearsal, target: stage",
            STAGE.replace(
                "{type: sqlite, database: stage.db, backups: stage-backups}", "{type: releases, root: s}"
            ),
            "another kind of backend",
        ),
        ("mode: rehearsal, target: stage, every: 90d, start: {itself: true}", STAGE, "none starts by itself"),
        ("mode: rehearsal, target: stage", STAGE.replace("staging", '"Prod-EU "'), "people live by"),
        (
            "mode: rehearsal, target: stage",
            STAGE.replace("stage-backups", "./x/../backups/"),
            "saves what it takes back",
        ),
        (
            "mode: rehearsal, target: stage",
            STAGE.replace("stage.db", "billing.db") + BILLING,
            "changes the same as `billing`",
        ),
        (
            "mode: rehearsal, target: stage",
            STAGE + MAINTAINED + BILLING + MAINTAINED,
            "has the `maintenance` of `billing`",
        ),
    ],
    ids=[
        "no target",
        "beside",
        "unknown",
        "itself",
        "production",
        "one place",
        "live",
        "undo points",
        "procedure",
        "checks",
        "another kind",
        "by itself",
        "production by another word",
        "undo points by another path",
        "what else people live by",
        "maintenance",
    ],
)
def test_a_rehearsal_that_could_touch_what_is_live_is_refused(
    path: Path, drill: str, stage: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        rehearsing(path, drill, stage)


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        ("url: a, query: select 1, equals: 1", "url: b, query: select 2, equals: 1", "asks something else"),
        ("url: a, query: select 1, equals: 1", "url: a, query: select 1, equals: 1", "looks at `orders`"),
    ],
    ids=["another question", "the same place"],
)
def test_a_check_that_shows_nothing_of_the_other_place_is_refused(
    path: Path, theirs: str, ours: str, words: str
) -> None:
    check = "      - {type: command, argv: [smoke-test]}\n"
    stage = STAGE.replace(check, f"      - {{type: sql, name: totals, {ours}}}\n")
    text = SMALL.replace(check, f"      - {{type: sql, name: totals, {theirs}}}\n", 1)
    drill = "    kind: database\n    drill: {mode: rehearsal, target: stage}\n"
    text = text.replace("    kind: database\n", drill, 1)
    path.write_text(text.replace("targets:\n", f"targets:\n{stage}", 1))
    with pytest.raises(ConfigurationError, match=words):
        load(path)


def test_where_the_same_programs_are_called_nothing_is_rehearsed(path: Path) -> None:
    programs = "{type: command, points: {argv: [a]}, current: {argv: [a]}, restore: {argv: [a, '{point}']}}"
    slower = programs.replace("points: {argv: [a]}", "points: {argv: [a], timeout: 59s}")
    stage = STAGE.replace("{type: sqlite, database: stage.db, backups: stage-backups}", slower)
    rehearsed = "    drill: {mode: rehearsal, target: stage}\n    executor: "
    shop = "  shop:\n    kind: system\n    executor: {type: releases, root: shop}\n"
    text = written(path).read_text().replace(shop, f"  shop:\n    kind: system\n{rehearsed}{programs}\n")
    path.write_text(text.replace("targets:\n", f"targets:\n{stage}", 1))
    with pytest.raises(ConfigurationError, match="changes the same as `shop`"):
        load(path)


def test_a_target_without_checks_is_a_warning(path: Path) -> None:
    assert [words[:20] for words in warnings(load(written(path)))] == ["`shop` has no checks"]


def test_a_restore_that_ignores_the_point_is_a_warning(path: Path) -> None:
    configuration = load(written(path, "type: releases, root: shop", f"type: command, {PROGRAMS}"))
    executor = configuration.targets["shop"].executor
    assert isinstance(executor, CommandSettings)
    assert (executor.points.timeout, executor.restore.timeout) == (30, 900)
    assert any("does not use {point}" in words for words in warnings(configuration))


# The example and the schema ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> Configuration:
    return load(EXAMPLE)


def test_the_example_is_loaded_without_a_problem_or_a_warning(example: Configuration) -> None:
    assert warnings(example) == ()


def test_the_example_shows_every_setting_there_is() -> None:
    shown = {key for place in PLACES for key in place if isinstance(key, str)}
    settings = {
        key
        for model in [json_schema(), *json_schema()["$defs"].values()]
        for key in model.get("properties", {})
    }
    assert settings - shown == set()


def test_the_example_shows_every_executor_and_every_check(example: Configuration) -> None:
    targets = example.targets.values()
    assert {target.executor.type for target in targets} == {each.type for each in KNOWN.executors}
    assert {check.type for target in targets for check in target.checks} == {
        each.type for each in KNOWN.checks
    }


def test_the_example_is_valid_against_the_schema_and_a_slip_is_not() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = read(EXAMPLE.read_bytes()).values
    jsonschema.validate(document, schema)
    document["targets"]["orders"]["aproval"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_schema_is_json_and_describes_its_settings() -> None:
    schema = json.loads(json.dumps(json_schema()))
    rpo = schema["$defs"]["TargetSettings"]["properties"]["rpo"]
    assert rpo["description"].startswith("Objective: data-loss window")
    assert schema["required"] == ["version", "targets"]
    assert schema["$defs"]["TargetSettings"]["required"] == ["kind", "executor"]


def test_a_document_that_is_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path.parent / "a.md")
    text = SMALL.replace("    steps:", "    document: a.md\n    steps:")
    path.write_text(text)
    assert load(path).documents == {}
