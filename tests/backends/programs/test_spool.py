"""A detached command: it survives us, runs once, and can always be found again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from backends.conformance.harness import ended
from backends.programs import supervisor
from backends.programs.spool import ELSEWHERE, CommandOperation, name_of
from backends.surroundings import Surroundings
from bot.contract import (
    Busy,
    Ended,
    Fate,
    OutcomeUnknown,
    Progress,
    Taken,
    Unreachable,
    Work,
)
from bot.errors import PermanentError
from bot.model import Do, Left
from tests.backends.command.world import cut_off, end, kill, until

PYTHON = (sys.executable, "-I", "-S", "-c")
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.RESTORE, point="v41", expected="v42")
CALLED_OFF = "It was called off before it was run."
PATIENCE = 20.0  # seconds until a test gives up on a real process

# Appends its effect; then waits for the file that the second argument names, if there is one. Not for ever: a
# test may end in the moment in which it is begun.
EFFECT = """
import os, sys, time
with open("effects", "a") as effects:
    effects.write(sys.argv[1] + "\\n")
    effects.flush()
    os.fsync(effects.fileno())
until = time.monotonic() + 60
while sys.argv[2:] and not os.path.exists(sys.argv[2]) and time.monotonic() < until:
    time.sleep(0.01)
"""

# A bot in miniature: starts the operation, says so, and lives until it is killed.
BOT = """
import asyncio, os, sys, time
from pathlib import Path
from backends.surroundings import Surroundings
from bot.contract import Work
from bot.model import Do
from backends.programs.spool import CommandOperation
base, within = Path(sys.argv[1]), float(sys.argv[2])
operation = CommandOperation(sys.argv[3:], 30, Surroundings(base, base / "spool"), begin_within=within)
work = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.RESTORE, point="v41", expected="v42")
print("ready", flush=True)
asyncio.run(operation.start(work))
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Surroundings]:
    yield Surroundings(tmp_path, tmp_path / "spool", {"PATH": os.defpath})
    for record in tmp_path.glob("spool/*/*/*.json"):
        if record.name in (supervisor.TAKEN, supervisor.CHILD):
            kill(supervisor.read(str(record.parent), record.name))


def effect(place: Surroundings, *argv: str, within: float = 10.0, timeout: float = 30.0) -> CommandOperation:
    return CommandOperation((*PYTHON, EFFECT, *argv), timeout, place, begin_within=within)


def says(place: Surroundings, program: str, timeout: float = 30.0) -> CommandOperation:
    return CommandOperation((*PYTHON, f"import os, sys, time\n{program}"), timeout, place)


def effects(place: Surroundings) -> list[str]:
    file = place.base / "effects"
    return file.read_text().splitlines() if file.exists() else []


def attempt(place: Surroundings, n: int = 1) -> Path:
    return place.spool / WORK.op_id / str(n)


def attempts(place: Surroundings) -> list[str]:
    return sorted(entry.name for entry in attempt(place).parent.iterdir())


def said(place: Surroundings) -> str:
    log = attempt(place) / supervisor.LOGS[0]
    return log.read_text() if log.exists() else ""


def laid_down(place: Surroundings, age: float = 0.0) -> Path:
    """What an asker leaves behind that died before its supervisor was there."""
    folder = attempt(place)
    folder.mkdir(parents=True)
    request = {
        "digest": WORK.digest,
        "argv": [*PYTHON, EFFECT, "late"],
        "cwd": str(place.base),
        "timeout": 30.0,
        "begin_within": 10.0,
        "asked_at": supervisor.boot_clock() - age,
        "boot": supervisor.boot_id(),
    }
    supervisor.write(str(folder), supervisor.REQUEST, request)
    return folder


async def supervised(folder: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", supervisor.__file__, str(folder)), stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(b"[]")
    assert process.returncode is not None
    return process.returncode


async def started(operation: CommandOperation, work: Work = WORK) -> Work:
    """The work with the handle that it was given."""
    handle = await operation.start(work)
    assert not isinstance(handle, Ended | Taken)
    return replace(work, handle=handle)


async def going(operation: CommandOperation, work: Work) -> Progress:
    progress = await operation.poll(work)
    assert isinstance(progress, Progress)
    return progress


async def fate(operation: CommandOperation) -> Fate:
    return (await operation.find(WORK)).fate


async def driven_to_its_end(operation: CommandOperation) -> Fate:
    """What the driver does after a crash: look, and start again only what is absent."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = await operation.find(WORK)
        if found.fate is Fate.ABSENT:
            with suppress(Busy):  # this machine is slow just now
                await operation.start(WORK)
        elif found.fate is not Fate.IN_FLIGHT:
            return found.fate
        await asyncio.sleep(0.01)
    raise AssertionError("it did not end in time")


async def test_what_was_never_started_is_absent(place: Surroundings) -> None:
    assert await fate(effect(place, "once")) is Fate.ABSENT


async def test_a_command_that_ends_with_0_is_done(place: Surroundings) -> None:
    operation = effect(place, "once")
    end = await ended(operation, await started(operation))
    assert (end.ok, end.left) == (True, Left.POINT)
    assert (await fate(operation), effects(place)) == (Fate.DONE, ["once"])


async def test_a_command_is_in_flight_while_it_runs(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    work = await started(operation)
    found = await operation.find(WORK)
    assert (found.fate, found.handle) == (Fate.IN_FLIGHT, work.handle)


async def test_who_starts_second_gets_taken_and_runs_nothing(place: Surroundings) -> None:
    operation = effect(place, "once")
    await ended(operation, await started(operation))
    assert await operation.start(WORK) is Taken.TAKEN
    assert effects(place) == ["once"]


async def test_of_many_who_start_at_once_exactly_one_does(place: Surroundings) -> None:
    operation = effect(place, "once")
    answers = await asyncio.gather(*(operation.start(WORK) for _ in range(12)))
    [handle] = [answer for answer in answers if not isinstance(answer, Ended | Taken)]
    await ended(operation, replace(WORK, handle=handle))
    assert effects(place) == ["once"]


async def test_an_operation_for_another_plan_is_unknown(place: Surroundings) -> None:
    operation = effect(place, "once")
    await ended(operation, await started(operation))
    found = await operation.find(replace(WORK, digest="e" * 64))
    assert (found.fate, found.handle) == (Fate.UNKNOWN, None)


async def test_an_operation_for_another_plan_is_not_started_again(place: Surroundings) -> None:
    operation = effect(place, "once")
    await ended(operation, await started(operation))
    assert await operation.start(replace(WORK, digest="e" * 64)) is Taken.TAKEN


async def test_the_command_goes_on_when_the_bot_is_killed(place: Surroundings) -> None:
    bot = subprocess.Popen(
        [sys.executable, "-c", BOT, str(place.base), "10", *PYTHON, EFFECT, "once", "go"],
        stdout=subprocess.PIPE,
    )
    with bot:
        assert bot.stdout is not None
        assert [bot.stdout.readline(), bot.stdout.readline()] == [b"ready\n", b"started\n"]
        bot.send_signal(signal.SIGKILL)
    operation = effect(place, "once", "go")
    found = await operation.find(WORK)
    assert found.fate is Fate.IN_FLIGHT
    assert found.handle is not None
    (place.base / "go").touch()
    end = await ended(operation, replace(WORK, handle=found.handle))
    assert (end.ok, end.left) == (True, Left.POINT)
    assert effects(place) == ["once"]


@pytest.mark.parametrize("milliseconds", [0, 1, 2, 4, 8, 12, 16, 24, 40, 80])
async def test_whenever_the_bot_is_killed_the_command_runs_once(
    place: Surroundings, milliseconds: int
) -> None:
    bot = subprocess.Popen(
        [sys.executable, "-c", BOT, str(place.base), "0.3", *PYTHON, EFFECT, "once"], stdout=subprocess.PIPE
    )
    with bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == b"ready\n"
        await asyncio.sleep(milliseconds / 1000)  # what is varied, not what is waited for
        bot.send_signal(signal.SIGKILL)
    assert await driven_to_its_end(effect(place, "once", within=0.3)) is Fate.DONE
    assert effects(place) == ["once"]


async def test_a_request_nobody_took_yet_is_in_flight(place: Surroundings) -> None:
    laid_down(place)
    assert await fate(effect(place, "once")) is Fate.IN_FLIGHT


async def test_a_request_nobody_took_in_time_is_absent(place: Surroundings) -> None:
    laid_down(place, age=11.0)
    assert await fate(effect(place, "once")) is Fate.ABSENT


async def test_a_request_from_before_a_restart_of_the_machine_is_absent(place: Surroundings) -> None:
    folder = str(laid_down(place))
    request = supervisor.read(folder, supervisor.REQUEST)
    supervisor.write(folder, supervisor.REQUEST, {**request, "boot": "another"})
    assert await fate(effect(place, "once")) is Fate.ABSENT


async def test_a_supervisor_that_comes_too_late_runs_nothing(place: Surroundings) -> None:
    folder = laid_down(place, age=11.0)
    assert await supervised(folder) == supervisor.TOO_LATE
    assert (await fate(effect(place, "once")), effects(place)) == (Fate.ABSENT, [])


async def test_a_second_supervisor_runs_nothing(place: Surroundings) -> None:
    folder = laid_down(place)
    answers = await asyncio.gather(*(supervised(folder) for _ in range(6)))
    assert sorted(answers) == [supervisor.BEGAN] + [supervisor.TAKEN_BEFORE] * 5
    assert await driven_to_its_end(effect(place, "once")) is Fate.DONE
    assert effects(place) == ["late"]


async def test_what_is_absent_may_be_started_again(place: Surroundings) -> None:
    laid_down(place, age=11.0)
    assert await driven_to_its_end(effect(place, "once")) is Fate.DONE
    assert effects(place) == ["once"]


async def test_a_machine_that_is_too_slow_says_busy_and_runs_nothing(place: Surroundings) -> None:
    with pytest.raises(Busy):
        await effect(place, "once", within=0.0).start(WORK)
    assert (await fate(effect(place, "once")), effects(place)) == (Fate.ABSENT, [])


async def test_a_dead_supervisor_leaves_the_command_in_flight_while_it_runs(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    work = await started(operation)
    await until(lambda: (attempt(place) / supervisor.CHILD).exists())
    await end(attempt(place), supervisor.TAKEN)
    assert await fate(operation) is Fate.IN_FLIGHT
    assert isinstance(await operation.poll(work), Progress)


async def test_a_dead_supervisor_leaves_unknown_when_the_command_is_gone(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    work = await started(operation)
    await cut_off(attempt(place))
    assert await fate(operation) is Fate.UNKNOWN
    with pytest.raises(OutcomeUnknown):
        await operation.poll(work)


async def test_a_spool_is_called_the_same_for_ever(place: Surroundings) -> None:
    place.spool.mkdir()
    assert [name_of(place.spool, fresh) for fresh in ("7f3a", "91c0")] == ["7f3a", "7f3a"]


async def test_of_many_who_name_a_spool_at_once_all_get_one_name(place: Surroundings) -> None:
    place.spool.mkdir()
    calls = (asyncio.to_thread(name_of, place.spool, str(n)) for n in range(20))
    assert len(set(await asyncio.gather(*calls))) == 1


async def test_what_was_begun_in_another_spool_is_never_absent(place: Surroundings) -> None:
    operation = effect(replace(place, place="7f3a"), "once")
    found = await operation.find(replace(WORK, place="91c0"))
    assert (found.fate, found.words) == (Fate.UNKNOWN, ELSEWHERE)


async def test_what_nobody_took_of_another_spools_work_is_no_more_absent(place: Surroundings) -> None:
    laid_down(place, age=11.0)
    operation = effect(replace(place, place="7f3a"), "once")
    assert (await operation.find(replace(WORK, place="91c0"))).fate is Fate.UNKNOWN


@pytest.mark.parametrize("begun_at", ["7f3a", None])
async def test_what_was_begun_in_this_spool_or_before_spools_had_names_may_be_absent(
    place: Surroundings, begun_at: str | None
) -> None:
    operation = effect(replace(place, place="7f3a"), "once")
    assert (await operation.find(replace(WORK, place=begun_at))).fate is Fate.ABSENT


async def test_what_is_unknown_is_not_started_again(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    await started(operation)
    await cut_off(attempt(place))
    assert await operation.start(WORK) is Taken.TAKEN


async def test_a_dead_attempt_is_followed_by_another_when_somebody_knows_it_changed_nothing(
    place: Surroundings,
) -> None:
    operation = effect(place, "once", "go")
    dead = await started(operation)
    await cut_off(attempt(place))
    (place.base / "go").touch()
    handle = await operation.start(WORK, after=dead.handle)
    assert handle == {"attempt": 2}
    assert await operation.start(WORK, after=dead.handle) is Taken.TAKEN


async def test_another_process_with_the_same_number_is_not_taken_for_ours(place: Surroundings) -> None:
    folder = str(laid_down(place))
    ours = supervisor.identity(os.getpid())
    assert ours is not None
    supervisor.write(folder, supervisor.TAKEN, {**ours, "started": ours["started"] - 1})
    assert await fate(effect(place, "once")) is Fate.UNKNOWN


async def test_a_damaged_file_is_unknown(place: Surroundings) -> None:
    operation = effect(place, "once")
    await ended(operation, await started(operation))
    (attempt(place) / supervisor.ENDED).write_bytes(b'{"rc": 0')
    assert await fate(operation) is Fate.UNKNOWN


async def test_a_failure_is_told_with_the_last_line(place: Surroundings) -> None:
    operation = says(place, "print('copying'); print('no such \\x1b[31mpoint'); sys.exit(3)")
    end = await ended(operation, await started(operation))
    assert (end.ok, end.left, end.words) == (False, Left.UNKNOWN, "Ended with 3: no such  [31mpoint")


async def test_the_last_line_is_told_in_bounds_and_whatever_its_bytes(place: Surroundings) -> None:
    operation = says(place, "os.write(1, b'\\xff\\xfe' * 5000); sys.exit(1)")
    words = (await ended(operation, await started(operation))).words
    assert len(words) <= 220
    assert words.startswith("Ended with 1: �")


async def test_a_command_that_does_not_exist_fails_in_words(place: Surroundings) -> None:
    operation = CommandOperation(("no-such-command",), 30, place)
    end = await ended(operation, await started(operation))
    assert (end.ok, end.left) == (False, Left.BEFORE)
    assert "no-such-command" in end.words
    assert (await operation.find(WORK)).left is Left.BEFORE


async def test_progress_lines_are_numbers(place: Surroundings) -> None:
    operation = says(
        place,
        "print('copying\\nprogress 3/12 files', flush=True)\nwhile not os.path.exists('go'): time.sleep(.01)",
    )
    work = await started(operation)
    deadline = time.monotonic() + PATIENCE
    while (progress := await going(operation, work)).done is None or not progress.words:
        assert time.monotonic() < deadline  # words and numbers are read one after the other
        await asyncio.sleep(0.01)
    assert (progress.done, progress.total, progress.unit, progress.words) == (3, 12, "files", "copying")


async def test_100_mib_of_output_fill_neither_disk_nor_memory(place: Surroundings) -> None:
    operation = says(
        place,
        "os.write(1, b'first\\n')\n"
        "for _ in range(1600): os.write(1, b'x' * 65535 + b'\\n')\n"
        "os.write(1, b'progress 9/9\\nlast\\n')\n"
        "while not os.path.exists('go'): time.sleep(.01)",
    )
    work = await started(operation)
    deadline = time.monotonic() + 60
    while (await going(operation, work)).words != "last":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    pid = supervisor.read(str(attempt(place)), supervisor.TAKEN)["pid"]
    memory = int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0])  # KiB
    size = sum(file.stat().st_size for file in attempt(place).iterdir())
    assert (attempt(place) / supervisor.LOGS[0]).read_bytes().startswith(b"first\n")
    assert size < 2 * 1024 * 1024
    assert memory < 40 * 1024
    assert (await going(operation, work)).done == 9


async def test_a_command_out_of_time_is_stopped_with_its_children(place: Surroundings) -> None:
    operation = says(
        place,
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()",
        timeout=1.0,
    )
    end = await ended(operation, await started(operation))
    assert (end.ok, end.left) == (False, Left.UNKNOWN)
    assert end.words.startswith("Stopped after 1 s; it may be done in part.")
    child = int(said(place))
    await until(lambda: supervisor.identity(child) is None)


async def test_a_command_that_ignores_term_is_killed(place: Surroundings) -> None:
    operation = says(
        place,
        "import signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\n"
        "time.sleep(60)",
    )
    work = await started(operation)
    await until(lambda: "deaf" in said(place))
    assert await operation.cancel(work) is Left.UNKNOWN
    child = supervisor.read(str(attempt(place)), supervisor.CHILD)
    assert supervisor.identity(child["pid"]) != child


async def test_of_a_stopped_command_no_child_goes_on(place: Surroundings) -> None:
    """Not even one that ignores TERM, when the command itself has ended at once."""
    deaf = 'trap "" TERM; echo $$; for second in $(seq 60); do sleep 1; done'
    operation = says(place, f"import subprocess; subprocess.Popen(['sh', '-c', {deaf!r}]).wait()")
    work = await started(operation)
    await until(lambda: said(place).endswith("\n"))
    assert await operation.cancel(work) is Left.UNKNOWN
    await until(lambda: supervisor.identity(int(said(place))) is None)


async def test_a_command_that_leaves_a_child_behind_on_purpose_has_ended(place: Surroundings) -> None:
    operation = says(place, "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)")
    end = await ended(operation, await started(operation))
    assert (end.ok, end.left) == (True, Left.POINT)
    child = int(said(place))
    assert supervisor.identity(child) is not None
    os.kill(child, signal.SIGKILL)


async def test_a_running_command_is_cancelled_and_leaves_part_of_its_work(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    work = await started(operation)
    await until(lambda: effects(place) != [])
    assert await operation.cancel(work) is Left.UNKNOWN
    found = await operation.find(WORK)
    assert (found.fate, found.left, effects(place)) == (Fate.FAILED, Left.UNKNOWN, ["once"])


async def test_what_is_done_cannot_be_cancelled(place: Surroundings) -> None:
    operation = effect(place, "once")
    work = await started(operation)
    await ended(operation, work)
    assert await operation.cancel(work) is None


async def test_what_is_cancelled_before_it_began_never_begins(place: Surroundings) -> None:
    folder = laid_down(place)
    operation = effect(place, "once")
    assert await operation.cancel(replace(WORK, handle={"attempt": 1})) is Left.BEFORE
    assert await supervised(folder) == supervisor.TAKEN_BEFORE
    found = await operation.find(WORK)
    assert (found.fate, found.left, found.words) == (Fate.FAILED, Left.BEFORE, CALLED_OFF)
    assert await operation.start(WORK) is Taken.TAKEN
    assert effects(place) == []


async def test_what_is_barred_never_runs(place: Surroundings) -> None:
    operation = effect(place, "once")
    assert (await operation.bar(WORK)).fate is Fate.ABSENT
    found = await operation.find(WORK)
    assert (found.fate, found.left, found.words) == (Fate.FAILED, Left.BEFORE, CALLED_OFF)
    assert await operation.start(WORK) is Taken.TAKEN
    assert await operation.start(WORK, after={"attempt": 1}) is Taken.TAKEN
    assert await supervised(attempt(place)) == supervisor.TAKEN_BEFORE
    assert (effects(place), attempts(place)) == ([], ["1"])


async def test_who_waits_for_what_was_barred_hears_that_it_ended_and_changed_nothing(
    place: Surroundings,
) -> None:
    operation = effect(place, "once")
    await operation.bar(WORK)
    assert await operation.poll(WORK) == Ended(False, Left.BEFORE, CALLED_OFF)


async def test_what_nobody_took_in_time_is_barred_and_comes_too_late_for_ever(place: Surroundings) -> None:
    late = laid_down(place, age=11.0)
    operation = effect(place, "once")
    assert (await operation.bar(WORK)).fate is Fate.ABSENT
    assert await supervised(late) == supervisor.TOO_LATE
    assert await operation.start(WORK) is Taken.TAKEN
    found = await operation.find(WORK)
    assert (found.fate, found.left, effects(place)) == (Fate.FAILED, Left.BEFORE, [])


async def test_barring_finds_what_is_being_started_and_lets_it_begin(place: Surroundings) -> None:
    folder = laid_down(place)
    operation = effect(place, "once")
    assert (await operation.bar(WORK)).fate is Fate.IN_FLIGHT
    assert await supervised(folder) == supervisor.BEGAN
    assert (await ended(operation, WORK)).ok
    assert (effects(place), attempts(place)) == (["late"], ["1"])


async def test_barring_finds_what_runs_and_lets_it_run(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    work = await started(operation)
    found = await operation.bar(WORK)
    assert (found.fate, found.handle) == (Fate.IN_FLIGHT, work.handle)
    (place.base / "go").touch()
    end = await ended(operation, work)
    assert (end.ok, end.left) == (True, Left.POINT)
    assert (effects(place), attempts(place)) == (["once"], ["1"])


async def test_barring_finds_what_is_done_and_changes_nothing(place: Surroundings) -> None:
    operation = effect(place, "once")
    await ended(operation, await started(operation))
    assert (await operation.bar(WORK)).fate is Fate.DONE
    assert (await fate(operation), effects(place), attempts(place)) == (Fate.DONE, ["once"], ["1"])


async def test_what_was_cut_off_is_not_barred(place: Surroundings) -> None:
    operation = effect(place, "once", "go")
    await started(operation)
    await cut_off(attempt(place))
    assert (await operation.bar(WORK)).fate is Fate.UNKNOWN
    assert (await fate(operation), attempts(place)) == (Fate.UNKNOWN, ["1"])


async def test_an_operation_for_another_plan_is_not_barred(place: Surroundings) -> None:
    operation = effect(place, "once")
    await ended(operation, await started(operation))
    assert (await operation.bar(replace(WORK, digest="e" * 64))).fate is Fate.UNKNOWN
    assert (await fate(operation), attempts(place)) == (Fate.DONE, ["1"])


async def test_what_was_begun_in_another_spool_is_not_barred(place: Surroundings) -> None:
    operation = effect(replace(place, place="7f3a"), "once")
    found = await operation.bar(replace(WORK, place="91c0"))
    assert (found.fate, found.words) == (Fate.UNKNOWN, ELSEWHERE)
    assert not place.spool.exists()
    assert (await ended(operation, await started(operation))).ok
    assert effects(place) == ["once"]


async def test_of_two_who_bar_at_once_both_are_right(place: Surroundings) -> None:
    operation = effect(place, "once")
    fates = [found.fate for found in await asyncio.gather(operation.bar(WORK), operation.bar(WORK))]
    assert Fate.ABSENT in fates
    assert {*fates} <= {Fate.ABSENT, Fate.IN_FLIGHT, Fate.FAILED}
    found = await operation.find(WORK)
    assert (found.fate, found.left) == (Fate.FAILED, Left.BEFORE)
    assert await operation.start(WORK) is Taken.TAKEN
    assert effects(place) == []


async def test_of_those_who_start_and_bar_at_once_only_one_side_is_told_that_it_came_first(
    place: Surroundings,
) -> None:
    operation = effect(place, "once")
    starts = asyncio.gather(*(operation.start(WORK) for _ in range(4)))
    bars = asyncio.gather(*(operation.bar(WORK) for _ in range(4)))
    begun = [answer for answer in await starts if answer is not Taken.TAKEN]
    barred = [found for found in await bars if found.fate is Fate.ABSENT]
    assert bool(begun) is not bool(barred)
    assert (await ended(operation, WORK)).ok is bool(begun)
    assert effects(place) == ["once"] * len(begun)


async def test_a_spool_that_cannot_be_written_is_unreachable_to_who_bars(place: Surroundings) -> None:
    place.spool.write_text("a file where the folder should be")
    with pytest.raises(Unreachable):
        await effect(place, "once").bar(WORK)


async def test_the_op_id_and_the_point_are_filled_in_as_whole_arguments(place: Surroundings) -> None:
    operation = CommandOperation((*PYTHON, "import sys; print(sys.argv[1:])", "{op}", "{point}"), 30, place)
    end = await ended(operation, await started(operation))
    assert end.words == "['k3v9x2ab.RB-42.3', 'v41']"


async def test_what_was_approved_and_what_must_be_live_are_filled_in_too(place: Surroundings) -> None:
    argv = (*PYTHON, "import sys; print(sys.argv[1:])", "{fingerprint}", "{expected}")
    operation = CommandOperation(argv, 30, place)
    work = await started(operation, replace(WORK, fingerprint="sha256:aaaa", expected="cluster 7"))
    assert (await ended(operation, work)).words == "['sha256:aaaa', 'cluster 7']"


@pytest.mark.parametrize("name", ["fingerprint", "expected"])
async def test_what_an_operation_does_not_have_is_not_filled_in(place: Surroundings, name: str) -> None:
    operation = CommandOperation((*PYTHON, EFFECT, f"{{{name}}}"), 30, place)
    with pytest.raises(PermanentError, match="cannot be filled in: this operation has none"):
        await operation.start(replace(WORK, fingerprint="", expected=""))
    assert not place.spool.exists()


@pytest.mark.parametrize("point", ["", "-rf", "--force", "a\nb", "a\x00b", "a\u202eb", "x" * 201])
async def test_a_value_that_could_be_more_than_a_value_is_refused(place: Surroundings, point: str) -> None:
    operation = CommandOperation((*PYTHON, EFFECT, "{point}"), 30, place)
    with pytest.raises(PermanentError):
        await operation.start(replace(WORK, point=point))
    assert not place.spool.exists()


async def test_a_value_inside_an_argument_is_refused(place: Surroundings) -> None:
    with pytest.raises(PermanentError, match="cannot be filled in here"):
        await CommandOperation(("ctl", "--to={point}"), 30, place).start(WORK)


@pytest.mark.parametrize("op_id", ["", "..", "../x", "a/b", ".hidden", "-x", "a\n"])
async def test_an_op_id_that_could_be_another_path_is_refused(place: Surroundings, op_id: str) -> None:
    with pytest.raises(PermanentError):
        await effect(place, "once").find(replace(WORK, op_id=op_id))


async def test_a_spool_that_cannot_be_written_is_unreachable(place: Surroundings) -> None:
    place.spool.write_text("a file where the folder should be")
    with pytest.raises(Unreachable):
        await effect(place, "once").start(WORK)


async def test_the_command_sees_the_environment_it_was_given_and_no_other(place: Surroundings) -> None:
    place = replace(place, environment={"ZONE": "shop"})
    operation = says(place, "print(sorted(set(os.environ) - {'LC_CTYPE'}))")
    assert (await ended(operation, await started(operation))).words == "['ZONE']"


async def test_values_of_the_environment_are_not_written_down(place: Surroundings) -> None:
    operation = effect(replace(place, environment={"TOKEN": "canary-7f3a"}), "once")
    await ended(operation, await started(operation))
    assert not [file for file in attempt(place).iterdir() if b"canary-7f3a" in file.read_bytes()]
