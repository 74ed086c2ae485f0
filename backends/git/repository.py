"""One branch of a remote git repository, read and written through a copy of our own.

Only git's command line is used, by argv, with no configuration but ours and no working tree: nothing of what
the repository holds is ever checked out or run. The copy holds no truth and may be removed at any time.
"""

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO, Final

from backends.git.address import why_not
from backends.git.authorship import USUAL_AUTHORSHIP, Authorship
from backends.git.complaints import NEVER_SENT, NO_BRANCH
from backends.git.fetching import Fetching
from backends.git.local import WITHOUT_HOOKS, LocalRepository, trusting
from backends.git.message import OPERATION, PLAN
from backends.git.program import (
    MOST_ANSWER_BYTES,
    MOST_ON_DISK_BYTES,
    NEEDED_TO_SIGN_BY_SSH,
    Answer,
    Program,
)
from backends.git.remote import USUAL_ACCESS, Access, Remote
from backends.git.tree import CommitTree
from backends.marker import file_errors
from backends.programs.process import printable
from bot.contract import Blocked, Busy, Denied, OutcomeUnknown, TargetMissing, Unreachable
from bot.errors import ConfigurationError
from bot.times import at_second

HISTORY_COMMITS: Final = 2_000  # that are offered; further back is no rollback any more
FIELDS: Final = 4  # of a commit in the history
LOCAL_SECONDS: Final = 60.0  # for a command that stays on this machine
REMOTE_SECONDS: Final = 120.0  # for one that asks the remote

LOST_RACE: Final = re.compile(
    r"cannot lock ref|failed to update ref|incorrect old value|reference already exists"
)
OPTIONS: Final = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "gc.autoDetach=false"),
    *("-c", "commit.gpgSign=false"),
)


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    at: datetime | None  # of the committer; None: what stands there is no time
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


class Repository:
    """`path` is a folder or a file in the repository; empty: all of it."""

    def __init__(
        self,
        remote: str,
        branch: str,
        path: str,
        work: Path,
        environment: Mapping[str, str],
        access: Access = USUAL_ACCESS,
        authorship: Authorship = USUAL_AUTHORSHIP,
    ) -> None:
        if problems := tuple(words for _, words in why_not(remote, branch, path)):
            raise ConfigurationError(problems)
        self.path = path.rstrip("/")
        self.branch = branch
        self.authorship = authorship
        self._runs_hooks = access.runs_hooks
        self._ref = f"refs/heads/{branch}"
        self._work = work
        self._cache = work / f"{hashlib.sha256(remote.encode()).hexdigest()[:16]}.git"
        # A name of its own: a branch `a` may go and `a/b` come, and the two cannot stand together.
        self._seen = f"refs/seen/{hashlib.sha256(branch.encode()).hexdigest()[:16]}"
        # A file, as the process that serves the repository is told nothing by options or variables.
        self._trust = self._cache / "trust.config"
        self._remote = Remote(remote, access, self._trust)
        self._url = self._remote.address.remote
        own = {**self._remote.own(), **authorship.identity()}
        self._program = Program(work, environment, own, self._url)
        self._fetching = Fetching(self._cache, self._program, access.patience, access.fetch_within)
        folder = self._folder = self._remote.address.folder
        self._local: LocalRepository | None = None  # it is on another machine
        if folder is not None:
            self._local = LocalRepository(folder, branch, access.runs_hooks, self._program)

    async def fetch(self) -> str:
        """Returns the commit at the tip of the branch, as the remote says now.

        A fetch that fails for no known reason, while the remote answers, is the fault of the copy: it is made
        anew. A copy that was just made is not to blame.
        """
        await self._program.version()
        lock = await self._fetching.lock()
        try:
            if said := self._fetching.left_over():
                self._raise_known(said)
            is_new = not (self._cache / "HEAD").is_file()
            await self._make_copy()
            why_not = await self._why_not_fetched(lock)
            if why_not is not None and not is_new:
                shutil.rmtree(self._cache, ignore_errors=True)
                await self._make_copy()
                why_not = await self._why_not_fetched(lock)
            if why_not is not None:
                raise Unreachable(f"The repository answers, but cannot be fetched: {why_not}")
            return (await self._read("rev-parse", "--verify", f"{self._seen}^{{commit}}")).decode().strip()
        finally:
            os.close(lock)

    async def history(self, tip: str) -> tuple[Commit, ...]:
        """Returns the commits that changed `path`, newest first, as seen from the branch: a merge is one.

        A long history takes git seconds to walk, so what was found is kept, and only what is new is walked.
        """
        kept_tip, *kept = self._kept()
        if kept_tip != tip:
            follows = bool(kept_tip) and await self._follows(tip, kept_tip)
            since = (f"^{kept_tip}",) if follows else ()
            form = "%H%x00%ct%x00%an%x00%s"
            *new, end = await self._log(tip, form, f"--max-count={HISTORY_COMMITS}", "--first-parent", *since)
            is_whole = not end and len(new) % FIELDS == 0  # else the answer was cut
            kept = [*new, *(kept if follows and is_whole else ())][: FIELDS * HISTORY_COMMITS]
            with file_errors():
                _keep(self._history, "\0".join([tip, *kept]))
        return tuple(
            Commit(commit, at_second(at), printable(author, 80), printable(subject))
            for commit, at, author, subject in _grouped(kept, FIELDS)
        )

    async def landed(self, tip: str, op_id: str) -> Landed | None:
        """Returns the commit that carries this op id, however it came into the branch."""
        trailers = "%x00".join(f"%(trailers:key={key},valueonly,separator=%x2C)" for key in (OPERATION, PLAN))
        fields = await self._log(
            tip, f"%H%x00{trailers}", "--fixed-strings", f"--grep={OPERATION}: {op_id}", path=""
        )
        for commit, operation, plan in _grouped(fields, 3):
            if operation.strip() == op_id:
                return Landed(commit, plan.strip())
        return None

    async def content(self, commit: str) -> str:
        """Returns what `path` holds at a commit, as one object id; empty: it is not there."""
        if not self.path:
            return (await self._read("rev-parse", "--verify", f"{commit}^{{tree}}")).decode().strip()
        entry = await self._read("ls-tree", "-z", commit, "--", self.path)
        return entry.split(b"\t")[0].decode()

    async def tree(self, commit: str) -> CommitTree:
        """Returns the files that `path` holds at a commit; none: it is not there. Raises Blocked."""
        pathspec = ("--", self.path) if self.path else ()
        argv = ("ls-tree", "-r", "-l", "-z", "--full-tree", commit, *pathspec)
        listing = await self._read(*argv, most=MOST_ON_DISK_BYTES)
        if len(listing) >= MOST_ON_DISK_BYTES:  # half a list would pass for a smaller commit
            raise Blocked(f"Commit {commit[:8]} holds more files than the bot can list.")
        return await asyncio.to_thread(CommitTree.listed, listing)

    @contextmanager
    def contents(self, tree: CommitTree) -> Iterator[IO[bytes]]:
        """Yields what git says of the files of a tree, one after another. Blocks; for a thread."""
        argv = (*self._options, "cat-file", "--batch", "--buffer")
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(f"{file.id}\n" for file in tree.blobs).encode("ascii"))
            asked.seek(0)
            with self._program.answering(argv, asked) as answer:
                yield answer

    async def files_between(self, old: str, new: str) -> int:
        pathspec = ("--", self.path) if self.path else ()
        stat = await self._read("diff-tree", "-r", "--shortstat", old, new, *pathspec)
        count = re.match(rb"\s*(\d+) files? changed", stat)
        return int(count[1]) if count else 0

    async def commit(self, tip: str, point: str, message: str) -> str:
        """Makes a commit on top of `tip` in which `path` is as it was at `point`. Nobody sees it yet."""
        tree = f"{point}^{{tree}}" if not self.path else await self._tree(tip, point)
        return await self._commit(tip, message, tree)

    async def push(self, commit: str, tip: str, timeout: float) -> Push:
        """Never a forced update: `commit` stands on `tip`, and the lease demands that the remote is there.

        Raises Denied, Unreachable when nothing was sent, and OutcomeUnknown when it was sent and nobody said
        what became of it.
        """
        answer = await self._push(commit, tip, timeout)
        status = self._status(answer.out)
        if status is None:
            if answer.code is not None and NEVER_SENT.search(answer.complaints):
                self._raise_known(answer.complaints)
            raise OutcomeUnknown(f"The push was not answered: {answer.words or 'out of time'}")
        flag, reason = status
        if flag == "=":  # a twin of ours made the very same commit in the same second, and was first
            return Push.OVERTAKEN
        if flag != "!":
            return Push.LANDED
        if reason.startswith("[rejected]") or LOST_RACE.search(reason):
            return Push.OVERTAKEN
        raise Denied(f"The remote refuses the push: {reason} {answer.words}".strip())

    async def why_not_push(self, tip: str) -> tuple[str, ...]:
        """Returns what would refuse a push, as far as trying one without writing tells.

        Raises Unreachable and Busy when that cannot be told now.
        """
        blockers = await self._local.blockers() if self._local else ()
        answer = await self._push(tip, tip, REMOTE_SECONDS, "--dry-run")
        if answer.code != 0 and not blockers:
            blockers = (f"We may not push to `{self._shown}`: {self._why_refused(answer)}",)
        return (*blockers, *await self._why_not_signed(tip))

    async def warnings(self) -> tuple[str, ...]:
        """Returns what a push that is tried does not meet, and people should know."""
        return await self._local.warnings() if self._local else ()

    def _kept(self) -> list[str]:
        """Returns the tip for which the history was walked last, and its fields; one empty word: none was."""
        try:
            return self._history.read_text(encoding="utf-8").split("\0")
        except (OSError, UnicodeDecodeError):
            return [""]

    async def _follows(self, tip: str, before: str) -> bool:
        """Whether the branch has only grown since: its tip then is the last that is not new."""
        argv = (
            "rev-list",
            "--first-parent",
            "--parents",
            f"--max-count={HISTORY_COMMITS}",
            tip,
            f"^{before}",
        )
        answer = await self._program.run(*self._options, *argv, timeout=LOCAL_SECONDS)
        new = answer.out.decode().splitlines()
        return answer.code == 0 and bool(new) and new[-1].split()[1:2] == [before]

    @property
    def _history(self) -> Path:
        of = f"{self.branch}\0{self.path}"
        return self._cache / f"history-{hashlib.sha256(of.encode()).hexdigest()[:16]}"

    @property
    def _shown(self) -> str:
        return printable(self.branch, 100)

    async def _make_copy(self) -> None:
        with file_errors():
            self._cache.mkdir(exist_ok=True)
            if self._folder is not None:
                _keep(self._trust, trusting(self._folder))
        if not (self._cache / "HEAD").is_file():
            made = await self._program.run(
                "init", "--quiet", "--bare", "--template=", str(self._cache), timeout=LOCAL_SECONDS
            )
            if made.code != 0:
                self._raise_known(made.complaints)
                raise Blocked(f"No copy of the repository can be made: {made.words or 'out of time'}")

    async def _why_not_fetched(self, lock: int) -> str | None:
        """Returns what git says of a fetch that failed for no known reason, while the remote answers."""
        argv = ("fetch", "--progress", "--no-tags", "--", self._url, f"+{self._ref}:{self._seen}")
        fetched = await self._fetching.run(lock, (*self._options, *argv), self._remote.variables())
        if fetched.ok:
            return None
        if not NO_BRANCH.search(fetched.complaints):
            self._raise_known(fetched.complaints)
        await self._ask_remote()
        return printable(" ".join(fetched.complaints.split()), 300) or "git gave no reason."

    async def _ask_remote(self) -> None:
        """Says why the remote cannot be read; returns when it can."""
        answer = await self._ls_remote(self._ref)
        if answer.code == 0 and not answer.out:
            raise TargetMissing(await self._why_no_branch())
        if answer.code != 0:
            self._raise_known(answer.complaints)
            raise Unreachable(f"The repository cannot be read: {answer.words or 'no answer'}")

    async def _why_no_branch(self) -> str:
        """A page of the web that is no repository looks to git like one without a branch."""
        anything = await self._ls_remote()
        if anything.code != 0 or anything.out:
            return f"The repository has no branch `{self._shown}`."
        if self._remote.address.site:
            return "There is no branch at its address: the repository is empty, or there is none."
        return f"The repository is empty, so it has no branch `{self._shown}`."

    async def _ls_remote(self, *refs: str) -> Answer:
        argv = ("ls-remote", "--", self._url, *refs)
        return await self._program.run(*argv, timeout=REMOTE_SECONDS, extra=self._remote.variables())

    def _raise_known(self, complaints: str) -> None:
        """Raises what these complaints mean; returns when nobody knows."""
        problem = self._remote.problem(complaints)
        if problem is not None:
            raise problem

    def _why_refused(self, answer: Answer) -> str:
        """Raises Unreachable and Busy for what may be over in a moment."""
        status = self._status(answer.out)
        if status is not None and status[1].startswith("[rejected]"):
            raise Busy("Somebody has just pushed to the branch.")
        problem = self._remote.problem(answer.complaints)
        if isinstance(problem, Unreachable):
            raise problem
        if answer.code is None:
            raise Unreachable(f"The repository has not answered within {REMOTE_SECONDS:g} s.")
        return str(problem) if problem is not None else answer.words or "no reason was given."

    async def _log(self, tip: str, form: str, *options: str, path: str | None = None) -> list[str]:
        """Returns the fields of all commits in a row: git allows no NUL in any of them."""
        path = self.path if path is None else path
        pathspec = ("--", path) if path else ()
        out = await self._read(
            "log", "-z", "--no-show-signature", f"--format={form}", *options, tip, *pathspec
        )
        return out.decode("utf-8", "replace").split("\0")

    async def in_the_way(self, tip: str) -> str | None:
        """Returns why `path` has no room at a commit: a part of it is a file there, which would go."""
        parts = self.path.split("/")
        for above in ("/".join(parts[:n]) for n in range(1, len(parts))):
            entry = await self._read("ls-tree", "-z", tip, "--", above)
            if entry and entry.split()[1] != b"tree":
                return f"`{above}` is a file on the branch now, so `{self.path}` cannot come back: move it."
        return None

    async def _tree(self, tip: str, point: str) -> str:
        """Made in an index that is thrown away: the tip, without `path`, and `path` from the point.

        Raises Blocked where that would remove something beside `path`.
        """
        if reason := await self.in_the_way(tip):
            raise Blocked(reason)
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

    async def _commit(self, parent: str, message: str, tree: str) -> str:
        """Raises Blocked when it cannot be signed."""
        signing = self.authorship.signing
        if signing is None:
            return (await self._read("commit-tree", "-p", parent, "-m", message, tree)).decode().strip()
        if signing.format == "ssh" and await self._program.version() < NEEDED_TO_SIGN_BY_SSH:
            needed = ".".join(map(str, NEEDED_TO_SIGN_BY_SSH))
            raise Blocked(f"The commit cannot be signed by an ssh key: that needs git {needed} or newer.")
        answer = await self._program.run(
            *self._options,
            *("-c", f"gpg.format={signing.format}", "-c", f"user.signingKey={signing.key}"),
            *("commit-tree", "-S", "-p", parent, "-m", message, tree),
            timeout=LOCAL_SECONDS,
            extra={} if signing.keyring is None else {"GNUPGHOME": str(signing.keyring)},
        )
        if answer.code != 0:
            why = answer.words.replace(signing.key, "the key") or "out of time"
            raise Blocked(f"The commit cannot be signed, see to `signing`: {why}")
        return answer.out.decode().strip()

    async def _why_not_signed(self, tip: str) -> tuple[str, ...]:
        """Tries it on a commit that is never pushed."""
        if self.authorship.signing is None:
            return ()
        try:
            await self._commit(tip, "whether it can be signed", f"{tip}^{{tree}}")
        except Blocked as problem:
            return (str(problem),)
        return ()

    async def _push(self, commit: str, tip: str, timeout: float, *options: str) -> Answer:
        lease, own = f"--force-with-lease={self._ref}:{tip}", self._remote.variables(pushing=True)
        without = () if self._local is None or self._runs_hooks else (WITHOUT_HOOKS,)
        argv = ("push", "--porcelain", *options, *without, lease, "--", self._url, f"{commit}:{self._ref}")
        return await self._program.run(*self._options, *argv, timeout=timeout, extra=own)

    def _status(self, out: bytes) -> tuple[str, str] | None:
        """Returns the remote's word on our ref: flag and reason. None: it never came."""
        for line in out.decode("utf-8", "replace").splitlines():
            flag, _, rest = line.partition("\t")
            refs, _, summary = rest.partition("\t")
            if len(flag) == 1 and refs.endswith(f":{self._ref}"):
                return flag, printable(summary)
        return None

    async def _read(
        self, *argv: str, extra: Mapping[str, str] | None = None, most: int = MOST_ANSWER_BYTES
    ) -> bytes:
        """Returns what a command says that reads what was fetched, or writes what nobody sees."""
        answer = await self._program.run(*self._options, *argv, timeout=LOCAL_SECONDS, extra=extra, most=most)
        if answer.code is None:
            raise Busy(f"git {argv[0]} has not ended within {LOCAL_SECONDS:g} s.")
        if answer.code != 0:
            raise Blocked(f"git {argv[0]} failed: {answer.words}")
        return answer.out

    @property
    def _options(self) -> tuple[str, ...]:
        return (f"--git-dir={self._cache}", *OPTIONS)


def _keep(file: Path, text: str) -> None:
    """Writes it at once, and only where it is not so already: somebody may be reading it."""
    with suppress(FileNotFoundError):
        if file.read_text(encoding="utf-8") == text:
            return
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    os.replace(draft, file)


def _grouped(fields: list[str], n: int) -> Iterator[tuple[str, ...]]:
    """`n` fields make one commit; what stands after the last NUL makes none."""
    return zip(*[iter(fields)] * n, strict=False)
