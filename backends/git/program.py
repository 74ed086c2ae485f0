"""Runs git: by argv, with no configuration but ours, in bounded time and memory.

What git says goes into files, not into pipes: a grandchild that holds one open keeps nobody waiting, and a
fetch that nobody waits for goes on saying how far it is. What its words mean is told by `complaints`.
"""

import asyncio
import os
import re
import subprocess
import tempfile
import threading
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import IO, Final

from backends.marker import file_errors
from backends.programs.process import printable, signal_group
from bot.contract import Blocked

MOST_ANSWER_BYTES: Final = 4 * 1024 * 1024  # that are kept
MOST_COMPLAINTS_BYTES: Final = 16 * 1024  # of the end of what git complains of
MOST_ON_DISK_BYTES: Final = 64 * 1024 * 1024  # then it is stopped: a remote may send words without end
LONGEST_WORDS_CHARACTERS: Final = 300
WATCHED_EVERY_SECONDS: Final = 0.5
NEEDED: Final = (2, 32)  # the first that can be kept from reading the configuration of its user
NEEDED_TO_SIGN_BY_SSH: Final = (2, 34)

ENVIRONMENT: Final = {
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # its words are read by `complaints`
}
DEFAULTS: Final = {"PATH": os.defpath, "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ControlPath=none"}

# Advice to somebody at a keyboard, some of it bad: that another's repository be trusted for ever, say.
_NO_COMPLAINT: Final = re.compile(
    r"hint: .*|To add an exception for this directory, call:|\s*git config --global .*"
    r"|Please make sure you have the correct access rights|and the repository exists\."
    r"|fatal: Could not read from remote repository\."
    r"|(?:remote: )?(?:(?:Enumerating|Counting|Compressing|Receiving) objects|Resolving deltas|Total \d).*"
)


@dataclass(frozen=True, slots=True)
class Answer:
    code: int | None  # None: it was out of time, or said too much, and is stopped
    out: bytes
    complaints: str  # the end of what it complained of, line by line, without its advice

    @property
    def words(self) -> str:
        return printable(" ".join(self.complaints.split()), LONGEST_WORDS_CHARACTERS)


class Program:
    def __init__(
        self, work: Path, environment: Mapping[str, str], own: Mapping[str, str], hidden: str
    ) -> None:
        """`own`: what counts more than the `environment`. `hidden`: the address of the remote.

        The address may be nobody's business.
        """
        self._work = work
        above = {"GIT_CEILING_DIRECTORIES": str(work.parent.absolute())}
        self._environment = {**DEFAULTS, **environment, **ENVIRONMENT, **above, **own}
        self._hidden = hidden
        self._version: tuple[int, int] | None = None

    async def run(
        self,
        *argv: str,
        timeout: float,
        extra: Mapping[str, str] | None = None,
        most: int = MOST_ANSWER_BYTES,
    ) -> Answer:
        """Raises Blocked where there is no git. `most`: bytes of the answer that are kept."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = await asyncio.create_subprocess_exec(
                    "git",
                    *argv,
                    stdin=DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=self._work,
                    env={**self._environment, **(extra or {})},
                    start_new_session=True,
                )
            except OSError as problem:
                raise _no_git(problem) from problem
            try:
                code = await _end(process, timeout, (out, err))
            finally:  # also when nobody wants the answer any more
                signal_group(process, SIGKILL)
                await process.wait()
            return Answer(code, _first(out, most), self.complaints(_last(err)))

    def begin(
        self, argv: Sequence[str], log: int, kept: int, extra: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Starts git and leaves it alone. `log`: where it complains; `kept`: a descriptor that it keeps open.

        asyncio would end it as soon as nobody holds on to it any more. The thread only sees it off.
        """
        null = subprocess.DEVNULL
        process = self._popen(argv, stdin=null, stdout=null, stderr=log, extra=extra, kept=(kept,))
        threading.Thread(target=process.wait, daemon=True).start()
        return process

    @contextmanager
    def answering(self, argv: Sequence[str], asked: IO[bytes]) -> Iterator[IO[bytes]]:
        """Yields what git answers, as it comes: it may be as long as it likes. Blocks; for a thread.

        `asked`: a file that git reads its questions from.
        """
        null, pipe = subprocess.DEVNULL, subprocess.PIPE
        process = self._popen(argv, stdin=asked.fileno(), stdout=pipe, stderr=null, extra={}, kept=())
        assert process.stdout is not None  # it is a pipe
        try:
            yield process.stdout
        finally:  # also when nobody wants the rest any more
            with suppress(ProcessLookupError):
                os.killpg(process.pid, SIGKILL)
            process.stdout.close()
            process.wait()

    def _popen(
        self,
        argv: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        extra: Mapping[str, str],
        kept: tuple[int, ...],
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", *argv],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=self._work,
                env={**self._environment, **extra},
                start_new_session=True,
                pass_fds=kept,
            )
        except OSError as problem:
            raise _no_git(problem) from problem

    async def version(self) -> tuple[int, int]:
        """Raises Blocked when it is too old for what is done here."""
        if self._version is None:
            with file_errors():
                self._work.mkdir(parents=True, exist_ok=True)
            said = (await self.run("version", timeout=60.0)).out.decode("utf-8", "replace")
            self._version = usable(said)
        return self._version

    def complaints(self, said: bytes) -> str:
        """Returns what git said without advice and progress, and the remote without its address."""
        text = said.decode("utf-8", "replace").replace(self._hidden, "the remote")
        lines = (line.rstrip() for line in re.split(r"[\r\n]+", text))
        return "\n".join(line for line in lines if line and not _NO_COMPLAINT.fullmatch(line))


def usable(said: str) -> tuple[int, int]:
    """Returns the version that git says it has. Raises Blocked for one that is too old."""
    found = re.match(r"git version (\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < NEEDED:
        is_one = f"{version[0]}.{version[1]}" if found else "of an unknown version"
        raise Blocked(f"The git on this machine is {is_one}: install {NEEDED[0]}.{NEEDED[1]} or newer.")
    return version


async def _end(process: Process, timeout: float, files: tuple[IO[bytes], ...]) -> int | None:
    """Returns its status, or None when it was out of time or wrote too much."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while all(os.fstat(file.fileno()).st_size <= MOST_ON_DISK_BYTES for file in files):
                ended = asyncio.ensure_future(process.wait())
                await asyncio.wait([ended], timeout=WATCHED_EVERY_SECONDS)
                if ended.done():
                    return ended.result()
                ended.cancel()
    return None


def _first(file: IO[bytes], most: int) -> bytes:
    file.seek(0)
    return file.read(most)


def _last(file: IO[bytes]) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_COMPLAINTS_BYTES))
    return file.read(MOST_COMPLAINTS_BYTES)


def _no_git(problem: OSError) -> Blocked:
    if isinstance(problem, FileNotFoundError):
        return Blocked("There is no program `git` on this machine: install it.")
    return Blocked(f"The program `git` cannot be run: {problem.strerror}.")
