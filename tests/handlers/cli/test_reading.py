"""What is typed to read: the answer, where it is printed, and the exit code. The target is a real one."""

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from storage.database import HEAD
from tests.handlers.cli.conftest import CONFIGURATION, Shell

V41: dict[str, object] = {
    "id": "v41",
    "at": "2026-11-22T09:00:00.000Z",
    "label": "v41",
    "author": None,
    "current": False,
    "proven_at": None,
    "drill_failed_at": None,
    "kind": None,
    "live": [],
    "fingerprint": None,
    "held_by": None,
    "saved_before": None,
    "suggested": True,
}


def one_line(words: str) -> bool:
    return words.count("\n") == 1 and words.endswith("\n")


# Targets ---------------------------------------------------------------------------------------


def test_targets_without_a_database_have_no_open_run(shell: Shell) -> None:
    done = shell.types("targets", "--json")
    assert json.loads(done.out) == [
        {
            "name": "storefront",
            "kind": "system",
            "environment": "production",
            "executor": "releases",
            "open_run": None,
            "live": None,
            "suggested": None,
            "held": [],
        }
    ]
    assert (done.code, done.err) == (0, "")


def test_points_are_read_from_the_target_itself_newest_first(shell: Shell) -> None:
    done = shell.types("points", "storefront", "--json")
    found = json.loads(done.out)
    assert [point["id"] for point in found] == ["v42", "v41", "v40"]
    assert found[1] == V41
    assert done.code == 0


def test_points_for_people_are_a_table_without_colours(shell: Shell) -> None:
    done = shell.types("points", "storefront")
    assert re.search(r"^v42 .*live now", done.out, re.MULTILINE)
    assert "\x1b" not in done.out


def test_the_name_of_a_target_may_be_typed_in_capitals(shell: Shell) -> None:
    assert shell.types("points", "Storefront").code == 0


def test_a_target_that_nearly_exists_is_asked_about_and_not_guessed(shell: Shell) -> None:
    done = shell.types("points", "storfront")
    assert (done.code, done.out) == (1, "")
    assert "Did you mean `storefront`?" in done.err
    assert one_line(done.err)


def test_a_target_that_is_not_there_is_unreachable(shell: Shell) -> None:
    (shell.folder / "shop").rename(shell.folder / "elsewhere")
    done = shell.types("points", "storefront", "--json")
    assert (done.code, done.out) == (3, "")
    assert one_line(done.err)


def test_a_program_that_cannot_be_started_is_an_unreachable_target(shell: Shell) -> None:
    command = (
        "{type: command, points: &no {argv: [./no-such]}, current: *no, restore: {argv: [x, '{point}']}}"
    )
    shell.configure(CONFIGURATION.replace("{type: releases, root: shop}", command))
    done = shell.types("points", "storefront")
    assert (done.code, done.out) == (3, "")
    assert one_line(done.err)


def test_a_reference_to_an_environment_variable_that_is_not_set_is_configuration(shell: Shell) -> None:
    shell.configure(CONFIGURATION.replace("root: shop", "root: {env: SHOP_ROOT}"))
    done = shell.types("points", "storefront")
    assert done.code == 2
    assert "SHOP_ROOT" in done.err


def test_reading_makes_a_state_folder_that_is_ours_alone(shell: Shell) -> None:
    shell.types("points", "storefront")
    assert shell.state.stat().st_mode & 0o777 == 0o700


# Plans -----------------------------------------------------------------------------------------


def test_a_plan_without_a_point_goes_to_the_newest_that_is_not_live(shell: Shell) -> None:
    done = shell.types("plan", "storefront", "--json")
    plan = json.loads(done.out)
    assert (plan["from"], plan["point"], plan["at"]) == ("v42", "v41", "2026-11-22T09:00:00.000Z")
    assert plan["digest"].startswith(plan["code"])
    assert done.code == 0


def test_a_plan_for_people_says_the_code_and_who_must_agree(shell: Shell) -> None:
    done = shell.types("plan", "storefront", "v40")
    assert re.search(r"plan [0-9a-f]{8}$", done.out, re.MULTILINE)
    assert "Back to v40 of" in done.out
    assert "Approvals needed: 1, from managers" in done.out


def test_a_plan_for_people_says_what_goes_besides_rows(shell: Shell) -> None:
    assert "  Goes: v42" in shell.types("plan", "storefront", "v40").out


def test_a_plan_to_what_is_live_is_shown_and_the_answer_is_no(shell: Shell) -> None:
    done = shell.types("plan", "storefront", "v42", "--json")
    assert json.loads(done.out)["blockers"]
    assert done.code == 1
    assert "It would be refused" in done.err


def test_an_unknown_point_names_the_nearest_ones(shell: Shell) -> None:
    done = shell.types("plan", "storefront", "v4l")
    assert (done.code, done.out) == (1, "")
    assert "`v41`" in done.err


def test_without_an_earlier_point_there_is_no_plan(shell: Shell) -> None:
    for name in ("v40", "v41"):
        shutil.rmtree(shell.folder / "shop" / "releases" / name)
    done = shell.types("plan", "storefront")
    assert (done.code, done.out) == (1, "")
    assert "no earlier restore point" in done.err


def test_reading_before_the_first_serve_makes_no_database(shell: Shell) -> None:
    for words in (("targets",), ("plan", "storefront"), ("runs",), ("run", "RB-1")):
        shell.types(*words)
    assert not (shell.state / "rollback.db").exists()


# Runs ------------------------------------------------------------------------------------------


def test_without_a_database_there_are_no_runs(shell: Shell) -> None:
    done = shell.types("runs", "--json")
    assert (json.loads(done.out), done.code) == ([], 0)
    done = shell.types("runs")
    assert (done.out, done.err, done.code) == ("", "No runs yet.\n", 0)


@pytest.mark.parametrize("typed", ["RB-9", "rb-9", "9", "nonsense"])
def test_a_run_that_does_not_exist_is_a_no(shell: Shell, typed: str) -> None:
    done = shell.types("run", typed, "--json")
    assert (done.code, done.out) == (1, "")
    assert one_line(done.err)


def test_a_database_that_is_none_is_unreachable(shell: Shell) -> None:
    shell.state.mkdir(mode=0o700)
    (shell.state / "rollback.db").write_bytes(b"no database at all, but long enough to be looked at" * 20)
    done = shell.types("runs")
    assert (done.code, done.out) == (3, "")
    assert one_line(done.err)


def test_an_address_of_no_database_is_configuration_and_is_not_repeated(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBACK_DATABASE_URL", "nosuch://me:hunter2@db/rollback")
    done = shell.types("runs")
    assert done.code == 2
    assert "hunter2" not in done.err


# The database ----------------------------------------------------------------------------------


def test_an_upgrade_says_from_where_to_where(shell: Shell) -> None:
    assert shell.types("db", "upgrade").out == f"The database went from nothing to {HEAD}.\n"
    assert shell.types("db", "upgrade").out == f"The database is at {HEAD} already.\n"
    assert shell.types("runs").code == 0


def set_revision(database: Path, to: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("update alembic_version set version_num = ?", (to,))
    connection.close()


def test_an_older_database_is_read_by_nobody_and_says_how_to_upgrade(shell: Shell) -> None:
    shell.types("db", "upgrade")
    set_revision(shell.state / "rollback.db", "0000")
    done = shell.types("runs")
    assert done.code == 3
    assert "rollback-bot db upgrade" in done.err


def test_a_database_of_a_newer_version_is_neither_read_nor_upgraded(shell: Shell) -> None:
    shell.types("db", "upgrade")
    set_revision(shell.state / "rollback.db", "9999")
    assert shell.types("runs").code == 3
    done = shell.types("db", "upgrade")
    assert (done.code, done.out) == (1, "")
    assert "9999" in done.err


# The configuration -----------------------------------------------------------------------------


def test_a_good_configuration_is_counted(shell: Shell) -> None:
    done = shell.types("check")
    assert (done.code, done.out, done.err) == (0, "1 target, no problems\n", "")


def test_warnings_of_a_configuration_do_not_make_it_bad(shell: Shell) -> None:
    shell.configure(CONFIGURATION.replace("    checks:", "    # checks:"))
    done = shell.types("check")
    assert done.code == 0
    assert "rollback.yaml: warning: `storefront` has no checks" in done.err


def test_every_problem_of_a_configuration_is_said_at_once_with_its_line(shell: Shell) -> None:
    shell.configure(CONFIGURATION.replace("version: 1", "version: 2").replace("kind: system", "kind: systm"))
    done = shell.types("check")
    assert (done.code, done.out) == (2, "")
    lines = [re.match(r".*rollback\.yaml:(\d+): \S", line) for line in done.err.splitlines()]
    assert [line and int(line[1]) for line in lines] == [1, 8]


def test_check_needs_nothing_but_the_file(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN_FILE", "/nowhere")
    monkeypatch.setenv("SLACK_API_URL", "nonsense")
    assert shell.types("check").code == 0


def test_a_broken_configuration_ends_every_reading_command_with_2(shell: Shell) -> None:
    shell.configure("version: 2")
    assert [shell.types(*words).code for words in (("targets",), ("points", "x"), ("plan", "x"))] == [2, 2, 2]


def test_rehearsing_needs_to_know_who_you_are(shell: Shell) -> None:
    done = shell.types("doctor", "--rehearse", "--as", "")
    assert (done.code, done.out) == (2, "")
    assert "--as" in done.err


# About the program -----------------------------------------------------------------------------


def test_the_schema_is_json_about_the_file(shell: Shell) -> None:
    done = shell.types("schema")
    assert "targets" in json.loads(done.out)["properties"]
    assert done.code == 0


def test_the_schema_of_the_events_is_json_too(shell: Shell) -> None:
    done = shell.types("schema", "events")
    assert "approved" in json.loads(done.out)["properties"]["kind"]["enum"]
    assert done.code == 0


def test_the_version_is_a_line(shell: Shell) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", shell.types("version").out)


@pytest.mark.parametrize("words", [("bogus",), ("points",), ("runs", "--bogus"), ("demo", "--port", "70000")])
def test_what_cannot_be_understood_is_usage(shell: Shell, words: tuple[str, ...]) -> None:
    done = shell.types(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err
