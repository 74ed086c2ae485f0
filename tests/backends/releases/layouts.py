"""Release folders as deploy tools leave them, and what each tool does next, by its own rules.

None of the tools runs in the tests. What they write, and which release they take next, is as their sources
have it: each class names the files. Only what a rule looks at is there: names, times, links, records.
"""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Self

FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)
SHA = "4588d9a237956d07942db5227ca9f5a18e4d622"  # and one digit


class Deployed:
    """What the tools have in common: every deploy is an hour after the one before it."""

    form: ClassVar[str]  # of the link's text; {root}, {release}

    def __init__(self, root: Path) -> None:
        self.root = root
        self.releases = root / "releases"
        self.made: list[str] = []  # oldest first

    @classmethod
    def of_three(cls, root: Path) -> Self:
        """Three deploys that went well."""
        world = cls(root)
        world.releases.mkdir(parents=True)
        (root / "shared").mkdir()
        for _ in range(3):
            world.deploy()
        return world

    def deploy(self) -> str:
        """Returns the name of the release that the tool has made and put there."""
        raise NotImplementedError

    def at(self, n: int) -> datetime:
        return FIRST + timedelta(hours=n)

    def link_to(self, release: str) -> None:
        """The links that the tools make are all renamed over the old one, or made in its place."""
        new = self.root / "current.new"
        new.symlink_to(self.form.format(root=self.root, release=release))
        new.rename(self.root / "current")

    def live(self) -> str:
        return os.path.basename(os.readlink(self.root / "current"))

    def by_time(self) -> list[str]:
        """The folders as `ls -t` has them, newest first."""
        return sorted(self.names(), key=lambda name: (self.releases / name).stat().st_mtime, reverse=True)

    def names(self) -> list[str]:
        """The folders as `ls` has them: in the order of their names, without those that begin with a dot."""
        return sorted(name for name in os.listdir(self.releases) if not name.startswith("."))

    def remove(self, *names: str) -> None:
        for name in names:
            shutil.rmtree(self.releases / name)

    def _make(self, name: str, *, revision: str = "") -> Path:
        n = len(self.made)
        folder = self.releases / name
        folder.mkdir()
        (folder / "index.php").write_text(f"this is {name}")
        if revision:
            (folder / "REVISION").write_text(revision)
        self.made.append(name)
        self._touch(folder, n)
        return folder

    def _touch(self, folder: Path, n: int) -> None:
        os.utime(folder, (self.at(n).timestamp(), self.at(n).timestamp()))


class Capistrano(Deployed):
    """capistrano/capistrano at 72fa7231, lib/capistrano/tasks/deploy.rake and dsl/paths.rb.

    Its 3.17.2 of Debian was run on one folder in turn with the bot: it deploys, cleans up and goes back so.
    """

    form = "{root}/releases/{release}"

    def deploy(self, *, to_the_end: bool = True) -> str:
        n = len(self.made)
        name = f"{self.at(n):%Y%m%d%H%M%S}"
        (self.root / "repo").mkdir(exist_ok=True)
        self._make(name, revision=f"{SHA}{n}\n")
        if to_the_end:
            self.link_to(name)
            self._note(f"Branch main (at {SHA}{n}) deployed as release {name} by ana")
        return name

    def rollback(self) -> str:
        """Takes the second newest folder, whatever is live; the newest goes when it is not live then."""
        newest, second = self.by_time()[:2]
        self.link_to(second)
        if os.readlink(self.root / "current") != str(self.releases / newest):
            self.remove(newest)
        self._note(f"ana rolled back to release {second}")
        return second

    def cleanup(self, keep: int) -> None:
        """What the link names by its full path is kept, however old."""
        old = [str(self.releases / name) for name in self.names()[:-keep]]
        self.remove(*[os.path.basename(path) for path in old if path != os.readlink(self.root / "current")])

    def _note(self, line: str) -> None:
        with (self.root / "revisions.log").open("a") as log:
            log.write(f"{line}\n")


class Deployer7(Deployed):
    """deployphp/deployer at 45cd4170, recipe/deploy/release.php, symlink.php, rollback.php, cleanup.php."""

    form = "releases/{release}"

    def deploy(self) -> str:
        name = self.begin()
        (self.root / "release").rename(self.root / "current")
        return name

    def begin(self) -> str:
        """A deploy that is under way, or has failed: the link `release` names what it makes."""
        n = len(self.made)
        name = self.next_name()
        (self.root / ".dep").mkdir(exist_ok=True)
        (self.root / ".dep" / "latest_release").write_text(f"{name}\n")
        created = f"{self.at(n):%Y-%m-%dT%H:%M:%S+0000}"
        with (self.root / ".dep" / "releases_log").open("a") as log:
            log.write(f'{{"created_at":"{created}","release_name":"{name}","user":"ana","target":"main"}}\n')
        folder = self._make(name, revision=f"{SHA}{n}\n")
        (self.root / "release").unlink(missing_ok=True)
        (self.root / "release").symlink_to(f"releases/{name}")
        self._touch(folder, n + 40)  # its own time moves, as caches are written and marks are left
        return name

    def next_name(self) -> str:
        latest = self.root / ".dep" / "latest_release"
        return str(int(latest.read_text()) + 1) if latest.exists() else "1"

    def rollback(self) -> str:
        """Takes the newest before what is live that is not marked as bad, and marks what was live."""
        live = self.live()
        listed = self.listed()
        older = listed[listed.index(live) + 1 :]
        release = next(name for name in older if not (self.releases / name / "BAD_RELEASE").exists())
        self.link_to(release)
        (self.releases / live / "BAD_RELEASE").write_text("2026-11-02T12:00:00+0000,ana\n")
        return release

    def listed(self) -> list[str]:
        """What is in its record and has a folder, newest first."""
        lines = (self.root / ".dep" / "releases_log").read_text().splitlines()
        names = [line.split('"release_name":"')[1].split('"')[0] for line in reversed(lines)]
        return [name for name in names if (self.releases / name).is_dir()]

    def cleanup(self, keep: int) -> None:
        self.remove(*self.listed()[keep:])


class Deployer6(Deployer7):
    """deployphp/deployer at v6.8.0, the same files: another record, and the newest goes at a rollback."""

    def begin(self) -> str:
        n = len(self.made)
        name = self.next_name()
        (self.root / ".dep").mkdir(exist_ok=True)
        with (self.root / ".dep" / "releases").open("a") as log:
            log.write(f"{self.at(n):%Y%m%d%H%M%S},{name}\n")
        folder = self._make(name)
        (self.root / "release").symlink_to(f"releases/{name}")
        self._touch(folder, n + 40)
        return name

    def next_name(self) -> str:
        return str(max((int(name) for name in self.listed()), default=0) + 1)

    def listed(self) -> list[str]:
        record = self.root / ".dep" / "releases"
        lines = record.read_text().splitlines() if record.exists() else []
        names = [line.split(",")[1] for line in reversed(lines)]
        return [name for name in names if (self.releases / name).is_dir()]

    def rollback(self) -> str:
        newest, second = self.listed()[:2]
        self.link_to(second)
        self.remove(newest)
        return second


class Ansistrano(Deployed):
    """ansistrano/deploy at 3b6304ba, tasks/update-code.yml, symlink.yml, cleanup.yml.

    Its rollback is ansistrano/rollback, tasks/setup.yml and symlink.yml. The first was run in turn with the
    bot.
    """

    form = "./releases/{release}"

    def deploy(self) -> str:
        n = len(self.made)
        name = f"{self.at(n):%Y%m%d%H%M%SZ}"
        self._make(name, revision=f"{SHA}{n}" if n else name)  # the hash with git, else the name itself
        self.link_to(name)
        return name

    def rollback(self) -> str:
        """Takes the second newest folder, whatever is live."""
        self.link_to(self.by_time()[1])
        return self.live()

    def cleanup(self, keep: int) -> None:
        self.remove(*self.by_time()[keep:])


class Trellis(Deployed):
    """roots/trellis at 9cf297ea, roles/deploy/tasks and roles/rollback/tasks; pages come from current/web.

    The link is made by ansible-collections/community.general at ade4f3ec, plugins/modules/deploy_helper.py,
    which was run in turn with the bot.
    """

    form = "{root}/releases/{release}"

    def deploy(self) -> str:
        name = self.begin()
        (self.releases / name / "DEPLOY_UNFINISHED").unlink()
        self.link_to(name)
        self.clean()
        return name

    def begin(self) -> str:
        """A deploy that is under way, or has failed."""
        n = len(self.made)
        name = f"{self.at(n):%Y%m%d%H%M%S}"
        folder = self._make(name)
        (folder / "web" / "app").mkdir(parents=True)
        (folder / "web" / "index.php").write_text(f"this is {name}")
        (folder / "web" / "app" / "uploads").symlink_to(self.root / "shared" / "uploads")
        (folder / "DEPLOY_UNFINISHED").touch()
        self._touch(folder, n)
        return name

    def rollback(self) -> str:
        """Takes the name before what is live, after all that are marked have gone; marks what was live."""
        self.clean()
        live = self.live()
        names = self.names()
        self.link_to(names[names.index(live) - 1])
        (self.releases / live / "DEPLOY_UNFINISHED").touch()
        return self.live()

    def clean(self) -> None:
        self.remove(
            *[name for name in self.names() if (self.releases / name / "DEPLOY_UNFINISHED").is_file()]
        )
