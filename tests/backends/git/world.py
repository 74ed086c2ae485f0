"""A bare repository as the remote, and a colleague's clone from which catalogue and other files come."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from backends.conformance.harness import Moment, Plight
from backends.git.authorship import USUAL_AUTHORSHIP, Authorship
from backends.git.executor import Git
from backends.git.remote import USUAL_ACCESS, Access
from backends.git.repository import Push, Repository
from backends.marker import Markers
from backends.worker_key import WorkerKey
from tests.backends.away import moved_away
from tests.backends.releases.world import DyingMarkers

NOON = 1_795_348_800  # 2026-11-22T12:00:00Z


class GitWorld:
    path = "prod/"
    plights = frozenset({Plight.AWAY})

    def __init__(self, root: Path) -> None:
        self.root = root
        self.remote = root / "remote.git"
        self.colleague = root / "colleague"

    @property
    def key(self) -> WorkerKey:
        return WorkerKey.at(self.root.with_name(f"{self.root.name}.key"))

    @property
    def markers(self) -> Markers:
        """Of the copies that are made here."""
        return Markers(self.root, self.key)

    @classmethod
    def make(cls, root: Path) -> Self:
        shutil.copytree(_template(), root)
        return cls(root)

    def commit(self, files: dict[str, str], subject: str, minute: int) -> None:
        """A colleague's commit, pushed."""
        self.write(files, subject, minute)
        git(self.colleague, "push", "--quiet", "origin", "main")

    def write(self, files: dict[str, str], subject: str, minute: int) -> None:
        for name, text in files.items():
            (self.colleague / name).parent.mkdir(exist_ok=True)
            (self.colleague / name).write_text(text)
        git(self.colleague, "add", "--all")
        git(self.colleague, "commit", "--quiet", "-m", subject, at=NOON + minute * 60)

    def executor(
        self,
        dies: Moment | None = None,
        access: Access = USUAL_ACCESS,
        authorship: Authorship = USUAL_AUTHORSHIP,
    ) -> Git:
        """Each has a cache of its own, as on another machine. Copies are of one place, as on the same."""
        taken = sum(1 for _ in self.root.glob("work-*"))
        work = self.root / f"work-{os.getpid()}-{taken}"
        markers = self.markers if dies is None else DyingMarkers(self.root, self.key, dies)
        executor = self._executor(work, markers, "here", access, authorship)
        if dies is not None:
            executor._repository = DyingRepository(str(self.remote), "main", self.path, work, dies)
        return executor

    def elsewhere(self) -> Git:
        work = self.root / "elsewhere"
        return self._executor(work, Markers(work, self.key), "elsewhere")

    def _executor(
        self,
        work: Path,
        markers: Markers,
        place: str,
        access: Access = USUAL_ACCESS,
        authorship: Authorship = USUAL_AUTHORSHIP,
    ) -> Git:
        return Git(
            str(self.remote),
            "main",
            self.path,
            work,
            access=access,
            authorship=authorship,
            markers=markers,
            place=place,
        )

    @contextmanager
    def troubled(self, plight: Plight) -> Iterator[Git]:
        with moved_away(self.remote):
            yield self.executor()

    def live(self) -> str:
        return self.holds("main")

    def holds(self, point: str) -> str:
        return git(self.remote, "rev-parse", f"{point}:{self.path}")

    def effects(self) -> int:
        history = git(self.remote, "log", "--format=%(trailers:key=Rollback-Operation,valueonly)", "main")
        return len(history.split())

    def drifts(self) -> None:
        git(self.colleague, "pull", "--quiet", "--rebase", "origin", "main")
        self.commit({"prod/price": "13\n"}, "price 13", 50)

    def loses(self, point: str) -> None:
        """History is rewritten: what is live stays as it is, the commits before it are gone."""
        git(self.colleague, "checkout", "--quiet", "--orphan", "rewritten")
        git(self.colleague, "commit", "--quiet", "-m", "history squashed", at=NOON)
        git(self.colleague, "push", "--quiet", "--force", "origin", "rewritten:main")

    def lies(self) -> None:
        git(self.colleague, "pull", "--quiet", "--rebase", "origin", "main")
        self.commit({"prod/price": "-1\n"}, "load the catalogue", 51)

    def close(self) -> None:
        shutil.rmtree(self.root)


class DyingRepository(Repository):
    def __init__(self, remote: str, branch: str, path: str, work: Path, dies: Moment) -> None:
        super().__init__(remote, branch, path, work, {})
        self._dies = dies

    async def push(self, commit: str, tip: str, timeout: float) -> Push:
        if self._dies is Moment.CHANGED:
            await super().push(commit, tip, timeout)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("dead")


@cache
def _template() -> Path:
    """Made once, as git takes its time: a world is a copy of it."""
    root = Path(tempfile.mkdtemp(prefix="git-world-"))
    atexit.register(shutil.rmtree, root)
    world = GitWorld(root)
    git(root, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(world.remote))
    (world.remote / "hooks").mkdir()
    git(root, "clone", "--quiet", "--template=", str(world.remote), str(world.colleague))
    git(world.colleague, "remote", "set-url", "origin", "../remote.git")
    git(world.colleague, "checkout", "--quiet", "-b", "main")
    for n, price in enumerate((10, 11, 12)):
        world.write({"prod/price": f"{price}\n", f"prod/item{n}": "x\n"}, f"price {price}", n)
    world.write({"staging/price": "1\n"}, "nothing of production", 3)
    world.commit({"prod/price": "-1\n"}, "bad load", 4)
    return root


def git(folder: Path, *argv: str, at: int = NOON) -> str:
    done = subprocess.run(
        ["git", *argv],
        cwd=folder,
        env={
            "PATH": os.defpath,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "Cy",
            "GIT_AUTHOR_EMAIL": "cy@localhost",
            "GIT_AUTHOR_DATE": f"{at} +0000",
            "GIT_COMMITTER_NAME": "Cy",
            "GIT_COMMITTER_EMAIL": "cy@localhost",
            "GIT_COMMITTER_DATE": f"{at} +0000",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


EXECUTOR_WORLDS = (GitWorld,)
