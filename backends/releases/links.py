"""From the link to the release that is live: which links lead there, and which of them names the release.

Links are read one by one, as the kernel follows them. The link whose own text names the release is the one
to be switched: `current` in `current -> releases/b`, and `latest` in `current -> releases/latest -> b`.
"""

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bot.contract import Blocked, TargetMissing

MOST_LINKS: Final = 40  # as many as the kernel follows


@dataclass(frozen=True, slots=True)
class Live:
    """Says which release the link leads to, which link names it, and since when."""

    release: str
    inside: str  # the path below the release that the link leads to; empty: the release itself
    link: str  # the path of the link that names the release; no folder above it is a link
    before: str  # what stands before the release in the text of that link
    after: str  # and what stands after it
    since: datetime  # when it was put there
    chained: bool = False  # another link than the configured one names the release

    @property
    def way(self) -> str:
        """Returns how the release is reached, as a part of the identity; empty: straight."""
        through = f" by {self.link}" if self.chained else ""
        return f"{through} into {self.inside}" if self.inside else through

    def text_for(self, release: str) -> str:
        """Returns the text of the link, in the same form, to another release."""
        return f"{self.before}{release}{self.after}".rstrip("/")


@dataclass(frozen=True, slots=True)
class _Part:
    """One name in the text of a link."""

    name: str
    link: str  # the path of the link
    before: str  # its text up to the name
    after: str  # its text after the name


def live_behind(root: Path, link: Path, folder: Path) -> Live:
    """Returns where `link` leads, whether or not there is anything. `folder`: of the releases.

    Raises TargetMissing where there is no link, Blocked where it leads to no release, and OSError.
    """
    if not link.is_symlink():
        if link.exists():
            raise Blocked(f"{link} is not a link: make it a link into {folder}.")
        raise TargetMissing(f"{link} does not exist.")
    found, rest = _followed(root, link, folder)
    inside = [part.name for part in rest if part.name not in {"", "."}]
    live = Live(
        release=found.name,
        inside="/".join(inside),
        link=found.link,
        before=found.before,
        after=found.after,
        since=max(_changed(found.link), _changed(str(link))),
        chained=not os.path.samestat(os.lstat(found.link), os.lstat(link)),
    )
    if leads_out(folder, live.release, live.inside):
        raise Blocked(f"{link} leads through {live.release} and out of it: let it name a release itself.")
    _refuse_elsewhere(live, root, link, folder)
    return live


def leads_out(folder: Path, release: str, inside: str) -> bool:
    """Whether a path below a release is reached through a link that leads to something else."""
    if not inside:
        return False
    whole = os.path.realpath(folder / release)
    there = os.path.realpath(folder / release / inside)
    return there != whole and not there.startswith(f"{whole}/")


def _followed(root: Path, link: Path, folder: Path) -> tuple[_Part, list[_Part]]:
    """Returns the name that is a release's, and the names that follow it."""
    place, met = os.path.realpath(root), 0
    waiting = deque([_Part(link.name, "", "", "")])
    while waiting:
        part = waiting.popleft()
        path = os.path.join(place, part.name)
        if part.name in {"", "."}:
            continue
        if part.name == "..":
            place = os.path.dirname(place)
        elif _is_link(path):
            met += 1
            if met > MOST_LINKS:
                how = f"in a circle, or through more than {MOST_LINKS} links"
                raise Blocked(f"{link} leads {how}: let it name a release in {folder}.")
            text = os.readlink(path)
            place = "/" if text.startswith("/") else place
            waiting.extendleft(reversed(list(_parts(path, text))))
        elif _is_folder(place, folder):
            return part, list(waiting)
        elif any(later.name for later in waiting) and not os.path.isdir(path):
            raise Blocked(
                f"{link} leads through {path}, which is no folder: let it name a release in {folder}."
            )
        else:
            place = path
    raise Blocked(f"{link} leads out of {folder}: let it name a release there.")


def _parts(link: str, text: str) -> Iterator[_Part]:
    names = text.split("/")
    for n, name in enumerate(names):
        before, after = "/".join([*names[:n], ""]), "/".join(["", *names[n + 1 :]])
        yield _Part(name, link, before, after)


def _refuse_elsewhere(live: Live, root: Path, link: Path, folder: Path) -> None:
    """Raises Blocked when the link to be switched is no part of what was configured."""
    above = os.path.dirname(live.link)
    roots = [os.path.realpath(root), os.path.realpath(folder)]
    if above not in roots and not above.startswith(os.path.join(roots[0], "")):
        raise Blocked(
            f"{link} leads through {live.link}, which is outside of {root}: let it name a release itself."
        )


def _is_link(path: str) -> bool:
    """Says whether it is a link. Raises PermissionError where it may not be looked at: that is no answer."""
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_folder(place: str, folder: Path) -> bool:
    """Whether a path leads to this folder, by whatever links and mounts each is reached."""
    try:
        return os.path.samestat(os.stat(place), os.stat(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _changed(link: str) -> datetime:
    return datetime.fromtimestamp(os.lstat(link).st_ctime, UTC)  # a rename keeps the other times
