"""Runs one command to its end, whatever becomes of the bot that asked for it.

A plain script over the standard library, started by `spool` as `python -I -S supervisor.py FOLDER`: up in
milliseconds, alone in its session, and never a child of the bot (-I also keeps the files beside it from
being taken for modules). It decides nothing: `spool` says what the files in the folder mean. On standard
input it gets what must be struck from the output, as a JSON list of texts; without one it begins nothing.

  request.json   what to run; written by who asks
  taken.json     which process runs it; exactly one ever makes this file
  child.json     the command's own process
  log.first      the first of its output; log.older and log.newest: the last of it
  cancel         written by who wants it stopped
  ended.json     how it ended: the truth from then on
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

REQUEST: Final = "request.json"
TAKEN: Final = "taken.json"
CHILD: Final = "child.json"
CANCEL: Final = "cancel"
ENDED: Final = "ended.json"
LOGS: Final = ("log.first", "log.older", "log.newest")  # in the order in which they were written

BEGAN, TAKEN_BEFORE, TOO_LATE, DIED = 10, 11, 12, 13  # exit statuses: what became of the request to begin

NEVER_RAN: Final = "never_ran"
NOT_RUNNABLE: Final = "not_runnable"
TIMED_OUT: Final = "timed_out"
CANCELLED: Final = "cancelled"
STRUCK: Final = b"***"
SHORTEST_BYTES: Final = 6  # of a secret; what is shorter is told by nobody as one
CALLED_OFF: Final = "called_off"  # before it was run, by whoever might have asked for it

NEWEST_BYTES: Final = 4 * 1024
LOG_BYTES = 512 * 1024  # in each log: at most three of them, however much is said
CHUNK_BYTES = 64 * 1024
TICK_SECONDS = 0.05  # between looks at the clock and at `cancel`
TERM_TO_KILL_SECONDS = 5.0  # in which a process group may end by itself


def main(folder: str) -> int:
    """Answers as soon as the job is taken or refused, and leaves a process of its own behind."""
    strike = Strike(json.load(sys.stdin.buffer))
    answer, tell = os.pipe()
    if os.fork() == 0:
        os.close(answer)
        supervise(folder, tell, strike)
        return 0
    os.close(tell)
    said = os.read(answer, 1)
    return said[0] if said else DIED


def supervise(folder: str, tell: int, strike: "Strike") -> None:
    # Asked to end with the bot's service, we stay to say how the command ended. A handler, not
    # SIG_IGN: the command must not inherit it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    verdict = begin(folder)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for the answer any more: the job stands
        os.write(tell, bytes([verdict]))
    os.close(tell)
    if verdict == BEGAN:
        finish(folder, carry_out(folder, read(folder, REQUEST), strike))


def begin(folder: str) -> int:
    """Takes the job. The age is looked at after taking: who saw it old and untaken may rely on it."""
    if not take(folder):
        return TAKEN_BEFORE
    if is_stale(read(folder, REQUEST)):
        finish(folder, {"rc": None, "why": NEVER_RAN})
        return TOO_LATE
    return BEGAN


def take(folder: str) -> bool:
    """link(2) makes the file with its content at once, and only for the first who tries."""
    draft = write_draft(folder, TAKEN, identity(os.getpid()))
    try:
        os.link(draft, os.path.join(folder, TAKEN))
    except FileExistsError:
        return False
    finally:
        os.unlink(draft)
    sync_folder(folder)
    return True


def is_stale(request: Mapping[str, Any]) -> bool:
    """Whether a request that nobody has taken yet may not be begun any more."""
    age = boot_clock() - request["asked_at"]
    return boot_id() != request["boot"] or not 0 <= age <= request["begin_within"]


def carry_out(folder: str, request: Mapping[str, Any], strike: "Strike") -> dict[str, Any]:
    try:
        log = Log(folder, strike)
        child = subprocess.Popen(
            request["argv"],
            cwd=request["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        return {"rc": None, "why": NOT_RUNNABLE, "words": str(error)}
    with contextlib.suppress(OSError):  # it only tells more when we are killed
        if known := identity(child.pid):
            write(folder, CHILD, known)
    why = watch(folder, child, log, time.monotonic() + request["timeout"])
    return {"rc": child.wait(), "why": why, "id": printed_id(log.newest)}


def printed_id(newest: bytes) -> str | None:
    """Returns the id in the last line, where that is JSON with one.

    It is kept beside the log: a name may hold what is secret elsewhere, and nobody could go there any more.
    """
    lines = [line for line in newest.splitlines() if line.strip() and not line.startswith(b"progress ")]
    try:
        found = json.loads(lines[-1])["id"]
    except (IndexError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if isinstance(found, str) and found.isprintable() else None


def watch(folder: str, child: "subprocess.Popen[bytes]", log: "Log", deadline: float) -> str:
    """Until the command has ended by itself (""), or was stopped. Its own children do not count:
    what it leaves running on purpose is left alone, and may go on holding the pipe."""
    assert child.stdout is not None
    pipe = child.stdout.fileno()
    os.set_blocking(pipe, False)
    listening, why, kill_at = True, "", 0.0
    while not has_exited(child.pid):
        if listening:
            select.select([pipe], [], [], TICK_SECONDS)
            listening = drain(pipe, log)
        else:
            time.sleep(TICK_SECONDS)
        if not why and (why := why_stop(folder, deadline)):
            kill_at = time.monotonic() + TERM_TO_KILL_SECONDS
            signal_group(child.pid, signal.SIGTERM)
        elif why and time.monotonic() >= kill_at:
            signal_group(child.pid, signal.SIGKILL)
    if why:
        signal_group(child.pid, signal.SIGKILL)  # of a stopped command nothing may go on
    drain(pipe, log)
    log.end()
    return why


def why_stop(folder: str, deadline: float) -> str:
    if os.path.exists(os.path.join(folder, CANCEL)):
        return CANCELLED
    return TIMED_OUT if time.monotonic() >= deadline else ""


def has_exited(pid: int) -> bool:
    """Without reaping: its number, and with it its group's, cannot be given to a stranger yet."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def drain(pipe: int, log: "Log") -> bool:
    """Reads what is there now, not for ever: the clock must be looked at. False: nobody can write more."""
    for _ in range(8):
        try:
            chunk = os.read(pipe, CHUNK_BYTES)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        log.write(chunk)
    return True


class Strike:
    """Takes what is secret out of a stream, wherever that is cut into chunks."""

    def __init__(self, secrets: Sequence[str]) -> None:
        # A variable may hold any bytes: here they are spelled as in `os.environ`.
        self._secrets = sorted(map(os.fsencode, secrets), key=len, reverse=True)
        self._held = b""

    def passed(self, chunk: bytes) -> bytes:
        """Returns what may be written by now: what a secret may begin with is held back."""
        text = self._held + chunk
        end = len(text) - self._begun(text)
        while (torn := self._torn(text, end)) is not None:
            end = torn
        self._held = text[end:]
        return self._struck(text[:end])

    def rest(self) -> bytes:
        """Returns what was held back. What may be most of a secret is struck as well."""
        told, self._held = self._struck(self._held), b""
        begun = self._begun(told)
        return told[:-begun] + STRUCK if begun >= SHORTEST_BYTES else told

    def _struck(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, STRUCK)
        return text

    def _begun(self, text: bytes) -> int:
        return max((begun(text, secret) for secret in self._secrets), default=0)

    def _torn(self, text: bytes, end: int) -> int | None:
        """Returns where a secret begins that stands across `end`; None: none does."""
        for secret in self._secrets:
            at = text.find(secret, max(0, end - len(secret) + 1), end + len(secret) - 1)
            if at != -1:
                return at
        return None


def begun(text: bytes, secret: bytes) -> int:
    """Returns how many of the last bytes of a text are the first of a secret, and not all of it."""
    first = secret[:SHORTEST_BYTES]
    at = text.find(first, max(0, len(text) - len(secret) + 1))
    while at != -1:
        if secret.startswith(text[at:]):
            return len(text) - at
        at = text.find(first, at + 1)
    longest = min(len(first), len(secret) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if text.endswith(secret[:n])), 0)


class Log:
    """The first and the last of any amount of output, in files of a fixed size."""

    def __init__(self, folder: str, strike: Strike) -> None:
        self.newest = b""  # as it was printed
        self._strike = strike
        self._first, self._older, self._newest = (os.path.join(folder, name) for name in LOGS)
        self._file = os.open(self._first, os.O_WRONLY | os.O_CREAT, 0o600)
        self._room = LOG_BYTES

    def write(self, chunk: bytes) -> None:
        self.newest = (self.newest + chunk)[-NEWEST_BYTES:]
        self._write(self._strike.passed(chunk))

    def end(self) -> None:
        self._write(self._strike.rest())

    def _write(self, chunk: bytes) -> None:
        """A full disk costs output, never the command: it would die of a closed pipe."""
        with contextlib.suppress(OSError):
            while chunk:
                if self._room == 0:
                    self._turn()
                written = os.write(self._file, chunk[: self._room])
                self._room -= written
                chunk = chunk[written:]

    def _turn(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._newest, self._older)
        following = os.open(self._newest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.close(self._file)
        self._file, self._room = following, LOG_BYTES


def finish(folder: str, how: Mapping[str, Any]) -> None:
    """How it ended is worth waiting for: on a full disk we try until there is room again."""
    while True:
        try:
            write(folder, ENDED, how)
        except OSError:
            time.sleep(1)
        else:
            return


def identity(pid: int) -> dict[str, Any] | None:
    """A process that can be recognised again: its number alone is given to others later.
    None: there is no such process, or it has ended and only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The second field is the command's name in parentheses, which may hold anything.
            fields = stat.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return {"pid": pid, "started": int(fields[19]), "boot": boot_id()}  # started: field 22, in clock ticks


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as boot:
        return boot.read().strip()


def boot_clock() -> float:
    """Seconds since boot, the same for every process, untouched by whoever sets the wall clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read(folder: str, name: str) -> dict[str, Any]:
    with open(os.path.join(folder, name), "rb") as file:
        found: dict[str, Any] = json.load(file)
    return found


def write(folder: str, name: str, value: Mapping[str, Any]) -> None:
    """All of it or nothing, and on the disk before we go on."""
    os.replace(write_draft(folder, name, value), os.path.join(folder, name))
    sync_folder(folder)


def write_draft(folder: str, name: str, value: Mapping[str, Any] | None) -> str:
    draft = os.path.join(folder, f".{name}.{os.getpid()}")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    return draft


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Makes names durable: a renamed file may otherwise be back under its old name after a power cut.

    It stands here because this script may import nothing of ours; the other backends take it from here.
    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
