"""The doctor against a pretend Slack and a real target: each illness is found, named, and says what to do."""

import shutil
from pathlib import Path

import pytest

from handlers.cli.doctor.results import Grade, exit_code, line
from handlers.cli.endings import Code
from storage.database import HEAD
from tests.handlers.cli.clinic import ANA, BEN, Clinic
from tests.handlers.cli.conftest import CONFIGURATION

WITH_A_GROUP = CONFIGURATION.replace("{members: [U01BEN, U01CY]}", "{slack_usergroup: S01MANAGERS}")


async def test_everything_in_order_is_all_ok(clinic: Clinic) -> None:
    results = await clinic.results()
    assert [line(result) for result in results if result.grade is not Grade.OK] == []
    assert exit_code(results) is Code.YES
    assert [result.name for result in results] == [
        "settings",
        "configuration",
        "guard",
        "state folder",
        "database",
        "target storefront",
        "Slack",
        "scopes",
        "clock",
        "Socket Mode",
        "channels",
        "approvers of storefront",
    ]


async def test_no_token_is_ever_part_of_a_result(clinic: Clinic) -> None:
    said = " ".join(line(result) for result in await clinic.results())
    assert clinic.slack.bot_token not in said
    assert clinic.slack.app_token not in said


# Slack -----------------------------------------------------------------------------------------


async def test_without_a_token_the_rest_is_still_looked_at(clinic: Clinic) -> None:
    results = await clinic.results(SLACK_BOT_TOKEN="")
    assert results[0].grade is Grade.FAIL
    assert "SLACK_BOT_TOKEN" in results[0].words
    assert results[-1].name == "target storefront"
    assert exit_code(results) is Code.NO


async def test_a_bot_token_that_slack_refuses(clinic: Clinic) -> None:
    results = await clinic.results(SLACK_BOT_TOKEN="xoxb-of-somebody-else")
    assert results[-1].name == "Slack"
    assert "invalid_auth" in results[-1].words
    assert exit_code(results) is Code.NO


async def test_a_slack_that_cannot_be_reached_ends_with_3(clinic: Clinic) -> None:
    clinic.slack.faults.down()
    results = await clinic.results()
    assert results[-1].name == "Slack"
    assert exit_code(results) is Code.UNREACHABLE


async def test_a_slack_that_answers_nonsense_is_as_good_as_down(clinic: Clinic) -> None:
    clinic.slack.faults.break_down("auth.test", status=503)
    assert exit_code(await clinic.results()) is Code.UNREACHABLE


async def test_missing_scopes_are_named(clinic: Clinic) -> None:
    clinic.slack.workspace.scopes -= {"im:write", "dnd:read"}
    result = (await clinic.troubles())["scopes"]
    assert result.grade is Grade.FAIL
    assert "dnd:read, im:write" in result.words


async def test_an_app_token_that_is_none(clinic: Clinic) -> None:
    result = (await clinic.troubles(SLACK_APP_TOKEN=clinic.slack.bot_token))["Socket Mode"]
    assert result.grade is Grade.FAIL
    assert "connections:write" in result.words


async def test_an_audit_channel_that_the_bot_cannot_see(clinic: Clinic) -> None:
    clinic.configure(CONFIGURATION.replace("version: 1", "version: 1\naudit_channel: audit"))
    assert (await clinic.troubles())["audit channel audit"].grade is Grade.FAIL
    clinic.slack.workspace.add_channel("C01AUDIT", "audit")
    assert await clinic.troubles() == {}


async def test_an_incident_channel_that_does_not_exist_is_a_warning(clinic: Clinic) -> None:
    clinic.configure(CONFIGURATION.replace("version: 1", "version: 1\nincident_channels: [inc-1, incidents]"))
    assert {name: result.grade for name, result in (await clinic.troubles()).items()} == {
        "channel incidents": Grade.WARN
    }


# People ----------------------------------------------------------------------------------------


async def test_a_user_group_is_read_live(clinic: Clinic) -> None:
    clinic.configure(WITH_A_GROUP)
    clinic.slack.workspace.add_usergroup("S01MANAGERS", "managers", [ANA, BEN])
    assert await clinic.troubles() == {}


async def test_an_empty_user_group_fails_and_so_do_its_targets(clinic: Clinic) -> None:
    clinic.configure(WITH_A_GROUP)
    clinic.slack.workspace.add_usergroup("S01MANAGERS", "managers", [])
    troubles = await clinic.troubles()
    assert [(name, result.grade) for name, result in troubles.items()] == [
        ("group managers", Grade.FAIL),
        ("approvers of storefront", Grade.FAIL),
    ]


async def test_a_plan_without_user_groups_is_told_to_list_members(clinic: Clinic) -> None:
    clinic.configure(WITH_A_GROUP)
    clinic.slack.workspace.paid = False
    assert "list `members` instead" in (await clinic.troubles())["group managers"].words


async def test_an_approver_who_has_left_is_a_warning(clinic: Clinic) -> None:
    clinic.slack.workspace.change_user(BEN, deleted=True)
    result = (await clinic.troubles())["approvers of storefront"]
    assert result.grade is Grade.WARN


# Targets ---------------------------------------------------------------------------------------


async def test_a_target_that_is_gone_fails_and_the_others_are_looked_at(clinic: Clinic) -> None:
    clinic.configure(
        CONFIGURATION
        + "  other:\n    kind: system\n    executor: {type: releases, root: other}\n    checks: []\n"
    )
    troubles = await clinic.troubles()
    assert troubles["target other"].grade is Grade.FAIL
    assert "target storefront" not in troubles


async def test_a_target_with_nothing_to_go_back_to_is_a_warning(clinic: Clinic) -> None:
    for name in ("v40", "v41"):
        shutil.rmtree(clinic.folder / "shop" / "releases" / name)
    assert (await clinic.troubles())["target storefront"].grade is Grade.WARN


async def test_what_a_plan_would_warn_of_is_a_warning(clinic: Clinic) -> None:
    (clinic.folder / "shop").chmod(0o777)
    warned = (await clinic.troubles())["target storefront"]
    assert (warned.grade, "Others may write to" in warned.words) == (Grade.WARN, True)


async def test_restore_points_older_than_the_rpo_are_a_warning(clinic: Clinic) -> None:
    measured = """{type: command, points: {argv: [cat, points.json]}, current: {argv: [echo, '{"id": "b"}']},
      restore: {argv: [ctl, "{point}"]}, measure: {argv: [echo, '{"seconds": 7200}']}}"""
    (clinic.folder / "points.json").write_text(
        '[{"id": "b"}, {"id": "a", "created_at": "2026-11-22T10:00:00Z"}]'
    )
    clinic.configure(
        CONFIGURATION.replace("{type: releases, root: shop}", measured).replace(
            "system", "database\n    rpo: 1h"
        )
    )
    result = (await clinic.troubles())["freshness of storefront"]
    assert result.grade is Grade.WARN
    assert "2 h" in result.words
    assert "RPO is 1 h" in result.words


# This machine ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o770])
async def test_a_state_folder_that_others_may_enter(clinic: Clinic, mode: int) -> None:
    (clinic.folder / "state").mkdir()
    (clinic.folder / "state").chmod(mode)
    result = (await clinic.troubles())["state folder"]
    assert result.grade is Grade.FAIL
    assert "chmod 700" in result.words


async def test_a_database_that_is_none_ends_with_3_and_targets_are_still_read(clinic: Clinic) -> None:
    (clinic.folder / "state").mkdir(mode=0o700)
    (clinic.folder / "state" / "rollback.db").write_bytes(b"this is no database at all" * 100)
    results = await clinic.results()
    grades = {result.name: result.grade for result in results}
    assert (grades["database"], grades["target storefront"]) == (Grade.FAIL, Grade.OK)
    assert exit_code(results) is Code.UNREACHABLE


async def test_the_database_of_a_bot_that_served_is_at_head(clinic: Clinic, template: Path) -> None:
    (clinic.folder / "state").mkdir(mode=0o700)
    shutil.copy(template, clinic.folder / "state" / "rollback.db")
    results = {result.name: result for result in await clinic.results()}
    assert results["database"].words == f"it answers, and is at {HEAD}"
