"""Release folders with a page in each, and the kernel's own count of the changes of the switched link."""

import ctypes
import os
import shutil
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from backends.conformance.harness import Moment, Plight
from backends.marker import FOLDER, Marker, Markers, MarkerStage, Slot
from backends.releases.executor import Releases
from backends.worker_key import WorkerKey
from tests.backends.away import moved_away

NOON = 1_795_348_800  # 2026-11-22T12:00:00Z
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE = 0x40, 0x80, 0x100


class ReleasesWorld:
    link = "current"
    releases = "releases"
    page = "index.html"  # in a release
    plights = frozenset({Plight.AWAY})

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = WorkerKey.at(root.with_name(f"{root.name}.key"))
        self._renames: Renames | None = None

    @classmethod
    def make(cls, root: Path) -> Self:
        world = cls(root)
        for n in (40, 41, 42):
            world.deploy(f"v{n}", NOON + n * 60)
        world.point_at("v42")
        (root / FOLDER).mkdir()
        world._renames = Renames(world._switched(), root / FOLDER)
        return world

    def _switched(self) -> Path:
        """The link that names the release."""
        return self.root / self.link

    def deploy(self, release: str, at: int) -> None:
        folder = self.root / self.releases / release
        page = folder / self.page
        page.parent.mkdir(parents=True)
        page.write_text(f"this is {release}")
        os.utime(folder, (at, at))

    def point_at(self, release: str) -> None:
        link = self.root / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("releases") / release)

    def executor(self, dies: Moment | None = None) -> Releases:
        executor = Releases(self.root, self.key, link=self.link, releases=self.releases)
        if dies is not None:
            executor._markers = DyingMarkers(self.root, self.key, dies)
        return executor

    @contextmanager
    def troubled(self, plight: Plight) -> Iterator[Releases]:
        with moved_away(self.root):
            yield self.executor()

    def live(self) -> str:
        return (self.root / self.link / "index.html").read_text()

    def holds(self, point: str) -> str:
        return (self.root / self.releases / point / self.page).read_text()

    def effects(self) -> int:
        assert self._renames is not None, "only the one who made the world counts"
        return self._renames.count()

    def drifts(self) -> None:
        self.deploy("v43", NOON + 43 * 60)
        self.point_at("v43")

    def loses(self, point: str) -> None:
        shutil.rmtree(self.root / self.releases / point)

    def lies(self) -> None:
        self.point_at("v42")

    def replaced(self) -> None:
        copy = self.root.with_name("copy")
        shutil.copytree(self.root, copy, symlinks=True)
        shutil.rmtree(self.root)
        copy.rename(self.root)

    def close(self) -> None:
        if self._renames is not None:
            self._renames.close()


class Renames:
    """How often something was renamed to `link`, by whatever process, as inotify saw it.

    The kernel drops an event that equals the one before it. So the folder where the new link is made is
    watched as well: what happens there stands between two renames.
    """

    def __init__(self, link: Path, prepared: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._watch >= 0, os.strerror(ctypes.get_errno())
        for folder in (link.parent, prepared):
            mask = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE
            assert libc.inotify_add_watch(self._watch, os.fsencode(folder), mask) >= 0
        self._name = os.fsencode(link.name)
        self._seen = 0

    def count(self) -> int:
        while events := self._read():
            while events:
                _, mask, _, length = struct.unpack_from("iIII", events)
                name = events[16 : 16 + length].rstrip(b"\0")
                self._seen += bool(mask & IN_MOVED_TO) and name == self._name
                events = events[16 + length :]
        return self._seen

    def _read(self) -> bytes:
        try:
            return os.read(self._watch, 65_536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self._watch)


class DyingMarkers(Markers):
    """Kills its process when an operation is taken, or before it is recorded as done."""

    def __init__(self, beside: Path, key: WorkerKey, dies: Moment) -> None:
        super().__init__(beside, key)
        self._dies = dies

    def take(self, op_id: str) -> Slot | None:
        slot = super().take(op_id)
        return None if slot is None else DyingSlot(slot, self._dies)


class DyingSlot(Slot):
    def __init__(self, slot: Slot, dies: Moment) -> None:
        super().__init__(slot._lock, slot._path, slot._key)
        self._dies = dies

    def write(self, marker: Marker) -> None:
        if marker.stage is MarkerStage.DONE and self._dies is Moment.CHANGED:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(marker)
        if marker.stage is MarkerStage.TAKEN and self._dies is Moment.TAKEN:
            os.kill(os.getpid(), signal.SIGKILL)


class ChainedWorld(ReleasesWorld):
    """Other names, a link that leads through another, and into a folder of each release."""

    link = "live"
    releases = "versions"
    page = "public/index.html"

    def _switched(self) -> Path:
        return self.root / self.releases / "latest"

    def point_at(self, release: str) -> None:
        latest, live = self._switched(), self.root / self.link
        latest.unlink(missing_ok=True)
        latest.symlink_to(release)
        if not live.is_symlink():
            live.symlink_to("versions/latest/public")


EXECUTOR_WORLDS = (ReleasesWorld,)
