"""One branch of a remote git repository, read and written through a cache of our own.

Only git's command line is used, by argv, with no configuration but ours and no working tree: nothing of what
the repository holds is ever checked out or run. The cache holds no truth and may be removed at any time.
"""

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
import time
from asyncio import StreamReader
from asyncio.subprocess import PIPE
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from signal import SIGKILL
from urllib.parse import unquote, urlsplit, urlunsplit

from backends.marker import lock_file
from backends.programs.process import printable, signal_group
from bot.contract import Blocked, Busy, Denied, OutcomeUnknown, TargetMissing, Unreachable
from bot.errors import ConfigurationError

OPERATION = "Rollback-Operation"
PLAN = "Rollback-Plan"
HISTORY_COMMITS = 2_000  # that are offered; further back is no rollback any more
LOCAL_SECONDS = 60.0  # for a command that stays on this machine
REMOTE_SECONDS = 120.0  # for one that asks the remote
MOST_ANSWER_BYTES = 4 * 1024 * 1024  # that are kept
MOST_WORDS_BYTES = 4 * 1024  # of git's complaints that are kept

BRANCH = re.compile(r"(?!.*(\.\.|//|@\{|\.lock(/|$)))[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,200}(?<![./])")
PASSWORD = re.compile(r"[a-z+]+://[^/@]*:[^/@]*@", re.IGNORECASE)
HTTPS = re.compile(r"https://", re.IGNORECASE)
HELPER = re.compile(r"[A-Za-z0-9.+-]+::")
DENIED = re.compile(
    r"permission denied|authentication failed|could not read (username|password)|access denied|\b403\b",
    re.IGNORECASE,
)
LOST_RACE = re.compile(r"cannot lock ref|failed to update ref|incorrect old value|reference already exists")

ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "file:https:ssh",
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # complaints are read by DENIED and LOST_RACE
}
DEFAULTS = {"PATH": os.defpath, "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ControlPath=none"}
IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Rollback Bot"), ("EMAIL", "rollback-bot@localhost"))
}
OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "gc.autoDetach=false", "-c", "commit.gpgSign=false")


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    at: datetime  # of the committer
    author: str
    subject: str


@dataclass(frozen=True, slots=True)
class Landed:
    """A commit of ours that is in the branch."""

    commit: str
    plan: str  # digest


class Push(Enum):
    LANDED = "landed"
    OVERTAKEN = "overtaken"  # the branch moved meanwhile, we wrote nothing


@dataclass(frozen=True, slots=True)
class Answer:
    code: int | None  # None: out of time
    out: bytes
    words: str


class Repository:
    """`path` is a folder or a file in the repository; empty: all of it."""

    def __init__(
        self, remote: str, branch: str, path: str, work: Path, environment: Mapping[str, str]
    ) -> None:
        self.path = path.rstrip("/")
        refuse_hostile(remote, branch, self.path)
        self.branch = branch
        self._remote, credentials = _apart(remote)
        self._ref = f"refs/heads/{branch}"
        self._work = work
        self._cache = work / f"{hashlib.sha256(remote.encode()).hexdigest()[:16]}.git"
        ours = {**ENVIRONMENT, **IDENTITY, "GIT_CEILING_DIRECTORIES": str(work.parent.absolute())}
        self._environment = {**DEFAULTS, **environment, **ours, **credentials}

    async def fetch(self) -> str:
        """The commit at the tip of the branch, as the remote says now.

        A fetch that fails while the remote answers is the fault of the cache: it is made anew, once.
        """
        lock = await self._lock()
        try:
            if await self._fetch() != 0:
                await self._ask_remote()
                shutil.rmtree(self._cache, ignore_errors=True)
                if await self._fetch() != 0:
                    raise Unreachable("The repository answers, but cannot be fetched.")
            return (await self._read("rev-parse", "--verify", f"{self._ref}^{{commit}}")).decode().strip()
        finally:
            os.close(lock)

    async def history(self, tip: str) -> tuple[Commit, ...]:
        """The commits that changed `path`, newest first, as seen from the branch: a merge is one commit."""
        fields = await self._log(
            tip, "%H%x00%ct%x00%an%x00%s", f"--max-count={HISTORY_COMMITS}", "--first-parent"
        )
        return tuple(
            Commit(commit, datetime.fromtimestamp(int(at), UTC), printable(author, 80), printable(subject))
            for commit, at, author, subject in _grouped(fields, 4)
        )

    async def landed(self, tip: str, op_id: str) -> Landed | None:
        """The commit that carries this op id, however it came into the branch."""
        trailers = "%x00".join(f"%(trailers:key={key},valueonly,separator=%x2C)" for key in (OPERATION, PLAN))
        fields = await self._log(
            tip, f"%H%x00{trailers}", "--fixed-strings", f"--grep={OPERATION}: {op_id}", path=""
        )
        for commit, operation, plan in _grouped(fields, 3):
            if operation.strip() == op_id:
                return Landed(commit, plan.strip())
        return None

    async def content(self, commit: str) -> str:
        """What `path` holds at a commit, as one object id; empty: it is not there."""
        if not self.path:
            return (await self._read("rev-parse", "--verify", f"{commit}^{{tree}}")).decode().strip()
        entry = await self._read("ls-tree", "-z", commit, "--", self.path)
        return entry.split(b"\t")[0].decode()

    async def files_between(self, old: str, new: str) -> int:
        pathspec = ("--", self.path) if self.path else ()
        stat = await self._read("diff-tree", "-r", "--shortstat", old, new, *pathspec)
        count = re.match(rb"\s*(\d+) files? changed", stat)
        return int(count[1]) if count else 0

    async def commit(self, tip: str, point: str, message: str) -> str:
        """A commit on top of `tip` in which `path` is as it was at `point`. Nobody sees it yet."""
        tree = f"{point}^{{tree}}" if not self.path else await self._tree(tip, point)
        return (await self._read("commit-tree", "-p", tip, "-m", message, tree)).decode().strip()

    async def push(self, commit: str, tip: str, timeout: float) -> Push:
        """Never a forced update: `commit` stands on `tip`, and the lease demands that the remote is there.

        Raises Denied, and OutcomeUnknown when it was sent and nobody said what became of it.
        """
        answer = await self._push(commit, tip, timeout)
        status = self._status(answer.out)
        if status is None:
            raise OutcomeUnknown(f"The push was not answered: {answer.words or 'out of time'}")
        flag, reason = status
        if flag == "=":  # a twin of ours made the very same commit in the same second, and was first
            return Push.OVERTAKEN
        if flag != "!":
            return Push.LANDED
        if reason.startswith("[rejected]") or LOST_RACE.search(reason):
            return Push.OVERTAKEN
        raise Denied(f"The remote refuses the push: {reason} {answer.words}".strip())

    async def why_not_push(self, tip: str) -> str | None:
        """Asks the remote without writing. None: it would take a push from us."""
        answer = await self._push(tip, tip, REMOTE_SECONDS, "--dry-run")
        return None if answer.code == 0 else answer.words or "no answer"

    async def _lock(self) -> int:
        """Two fetches into one cache would trip over each other's refs."""
        self._work.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + REMOTE_SECONDS
        while (lock := lock_file(self._cache.with_suffix(".lock"))) is None:
            if time.monotonic() > end:
                raise Busy("Somebody else is fetching.")
            await asyncio.sleep(0.05)
        return lock

    async def _fetch(self) -> int | None:
        made = await self._git(
            "init", "--quiet", "--bare", "--template=", str(self._cache), timeout=LOCAL_SECONDS
        )
        if made.code != 0:
            return made.code
        refspec = f"+{self._ref}:{self._ref}"
        return (
            await self._run(
                "fetch", "--quiet", "--no-tags", "--", self._remote, refspec, timeout=REMOTE_SECONDS
            )
        ).code

    async def _ask_remote(self) -> None:
        """Says why the remote cannot be fetched; returns when it can."""
        answer = await self._git(
            "ls-remote", "--exit-code", "--", self._remote, self._ref, timeout=REMOTE_SECONDS
        )
        if answer.code == 2:
            raise TargetMissing(f"The repository has no branch `{self.branch}`.")
        if DENIED.search(answer.words):
            raise Denied(f"The repository refuses us: {answer.words}")
        if answer.code != 0:
            raise Unreachable(f"The repository cannot be read: {answer.words or 'no answer'}")

    async def _log(self, tip: str, form: str, *options: str, path: str | None = None) -> list[str]:
        """The fields of all commits in a row: git allows no NUL in any of them."""
        path = self.path if path is None else path
        pathspec = ("--", path) if path else ()
        out = await self._read(
            "log", "-z", "--no-show-signature", f"--format={form}", *options, tip, *pathspec
        )
        return out.decode("utf-8", "replace").split("\0")

    async def _tree(self, tip: str, point: str) -> str:
        """Made in an index that is thrown away: the tip, without `path`, and `path` from the point."""
        with tempfile.TemporaryDirectory(dir=self._work, prefix="index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            await self._read("read-tree", tip, extra=index)
            await self._read("rm", "-r", "-q", "--cached", "--ignore-unmatch", "--", self.path, extra=index)
            if entry := await self.content(point):
                mode, kind, object_id = entry.split()
                if kind == "tree":
                    await self._read("read-tree", "-i", f"--prefix={self.path}/", object_id, extra=index)
                else:
                    cached = f"{mode},{object_id},{self.path}"
                    await self._read("update-index", "--add", "--cacheinfo", cached, extra=index)
            return (await self._read("write-tree", extra=index)).decode().strip()

    async def _push(self, commit: str, tip: str, timeout: float, *options: str) -> Answer:
        lease = f"--force-with-lease={self._ref}:{tip}"
        return await self._run(
            "push",
            "--porcelain",
            *options,
            lease,
            "--",
            self._remote,
            f"{commit}:{self._ref}",
            timeout=timeout,
        )

    def _status(self, out: bytes) -> tuple[str, str] | None:
        """The remote's word on our ref: flag and reason. None: it never came."""
        for line in out.decode("utf-8", "replace").splitlines():
            flag, _, rest = line.partition("\t")
            refs, _, summary = rest.partition("\t")
            if len(flag) == 1 and refs.endswith(f":{self._ref}"):
                return flag, printable(summary)
        return None

    async def _read(self, *argv: str, extra: Mapping[str, str] | None = None) -> bytes:
        """Of a command that reads what was fetched, or writes what nobody sees."""
        answer = await self._run(*argv, timeout=LOCAL_SECONDS, extra=extra)
        if answer.code != 0:
            raise Blocked(f"git {argv[0]} failed: {answer.words or 'out of time'}")
        return answer.out

    async def _run(self, *argv: str, timeout: float, extra: Mapping[str, str] | None = None) -> Answer:
        return await self._git(f"--git-dir={self._cache}", *OPTIONS, *argv, timeout=timeout, extra=extra)

    async def _git(self, *argv: str, timeout: float, extra: Mapping[str, str] | None = None) -> Answer:
        process = await asyncio.create_subprocess_exec(
            "git",
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self._work,
            env={**self._environment, **(extra or {})},
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        heard = asyncio.gather(
            _first(process.stdout, MOST_ANSWER_BYTES),
            _first(process.stderr, MOST_WORDS_BYTES),
            process.wait(),
        )
        try:
            async with asyncio.timeout(timeout):
                out, err, code = await heard
            return Answer(code, out, self._words(err))
        except TimeoutError:
            return Answer(None, b"", "")
        finally:  # also when nobody wants the answer any more
            signal_group(process, SIGKILL)
            await process.wait()

    def _words(self, complaints: bytes) -> str:
        """On one line, without the address of the remote, which may be nobody's business."""
        text = complaints.decode("utf-8", "replace").replace(self._remote, "the remote")
        return printable(" ".join(text.split()), 300)


def refuse_hostile(remote: str, branch: str, path: str) -> None:
    """Git runs commands named in an address (`ext::`), and takes what begins with a dash for an option."""
    problems = []
    if not remote or remote.startswith("-") or HELPER.match(remote) or not remote.isprintable():
        problems.append("git: the remote is no plain path, ssh or https address")
    if PASSWORD.match(remote) and not HTTPS.match(remote):
        problems.append("git: the remote carries a password, which the process list would show")
    if not BRANCH.fullmatch(branch):
        problems.append(f"git: {branch!r} is no name of a branch")
    if path.startswith(("-", "/")) or not set(path.split("/")).isdisjoint({".", "..", ".git"}):
        problems.append(f"git: the path {path!r} must be inside the repository")
    if problems:
        raise ConfigurationError(tuple(problems))


def _apart(remote: str) -> tuple[str, Mapping[str, str]]:
    """An https address without its credentials, and they as settings that only git's environment shows.

    In the address they would stand on git's command lines, where everybody on the machine can read them.
    """
    address = urlsplit(remote)
    if not HTTPS.match(remote) or "@" not in address.netloc:
        return remote, {}
    credentials, _, host = address.netloc.rpartition("@")
    name, _, password = credentials.partition(":")
    basic = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return urlunsplit(address._replace(netloc=host)), {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{host}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


def _grouped(fields: list[str], n: int) -> Iterator[tuple[str, ...]]:
    """`n` fields make one commit; what stands after the last NUL makes none."""
    return zip(*[iter(fields)] * n, strict=False)


async def _first(stream: StreamReader, most: int) -> bytes:
    """Reads to the end, keeps no more than `most` bytes."""
    kept = bytearray()
    while chunk := await stream.read(65_536):
        kept += chunk[: most - len(kept)]
    return bytes(kept)
