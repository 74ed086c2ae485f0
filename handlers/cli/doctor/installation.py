"""What the doctor sees on this machine: the environment, the state folder, the database, the guard."""

import os
import re
import stat
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from backends.command.settings import CommandSettings
from backends.installed import definitions
from bot.configuration import Configuration, warnings
from bot.errors import ConfigurationError
from bot.processes import LiveProcess, targets_apart, why_no_plan, workers_of
from handlers.cli.database import opened, there_is_none, why_not_readable
from handlers.cli.doctor.results import Result, fail, ok, unreachable, warn
from handlers.door.guard import self_test
from handlers.settings import ProcessSettings
from storage.database import HEAD, revision

MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
POINT_FIELD = 4  # of a line of MOUNTS: where it is mounted
LAYERS = frozenset({"overlay", "aufs"})  # of a container, where it is the root
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def tokens(settings: ProcessSettings) -> Result:
    if reason := settings.why_not_serve():
        return fail("settings", reason)
    doors = [
        words
        for words, secret in (("Socket Mode", settings.app_token), ("HTTP", settings.signing_secret))
        if secret
    ]
    return ok("settings", f"a bot token, and Slack is heard by {' and '.join(doors)}")


def configuration(loaded: Configuration) -> list[Result]:
    many = len(loaded.targets)
    read = ok("configuration", f"{many} target{'' if many == 1 else 's'} in {loaded.path}")
    return [read, *(warn("configuration", words) for words in warnings(loaded, definitions()))]


def guard(now: datetime) -> Result:
    if reason := self_test(now.timestamp()):
        return fail("guard", f"{reason}. Do not expose this bot; report it.")
    return ok("guard", "refuses what is unsigned, old or altered")


def state_folder(path: Path) -> Result:
    """Checks that the folder is ours alone: the key in it signs approvals, so others could forge them."""
    if not path.exists():
        return ok("state folder", f"{path} is made by the first `serve`")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return fail("state folder", f"{path} cannot be written by this user. Run the bot as its owner.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        return fail("state folder", f"{path} is open to others ({mode:04o}). Run: chmod 700 {path}")
    return ok("state folder", f"{path} is ours alone")


def spool(path: Path, configuration: Configuration, mounts: Path) -> list[Result]:
    """Returns why a spool in this state folder goes with its worker; none where it may stay, or none is used.

    `mounts`: the file in which the kernel says what is mounted where.
    """
    if not any(one.maintenance or one.executor.type == "command" for one in configuration.targets.values()):
        return []
    try:
        kind = file_system(path, mounts.read_text())
    except OSError:
        return []  # it cannot be seen
    lost = "so what a worker has begun cannot be found again, and people are asked"
    if kind in IN_MEMORY:
        words = f"{path} lies in memory ({kind}), {lost}. Set ROLLBACK_STATE_DIR to a folder on a disk."
    elif kind in LAYERS:
        words = f"{path} goes with the container that it is a layer of ({kind}), {lost}. Mount a volume."
    else:
        return []
    return [warn("spool", words)]


def file_system(path: Path, mounts: str) -> str:
    """Returns the kind of the file system that holds the path; empty: that cannot be seen."""
    kind, deepest, real = "", -1, path.resolve()
    for line in mounts.splitlines():
        mounted, _, source = line.partition(" - ")
        fields = mounted.split()
        if len(fields) < POINT_FIELD + 1 or not source:
            continue
        point = Path(_unescaped(fields[POINT_FIELD]))
        depth = len(point.parts)
        if real.is_relative_to(point) and depth >= deepest:  # of two at one point the later one is seen
            kind, deepest = source.split()[0], depth
    return kind


def _unescaped(field: str) -> str:
    """Decodes blanks and the like, which stand there as three octal digits, as proc(5) says."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


async def database(settings: ProcessSettings) -> Result:
    try:
        if there_is_none(settings):
            return ok("database", "there is none yet, the first `serve` makes it")
        async with opened(settings.database) as reached:
            reason = why_not_readable(await revision(reached))
    except ConfigurationError as problem:
        return fail("database", str(problem))
    except (DBAPIError, OSError) as problem:
        said = problem.orig if isinstance(problem, DBAPIError) else problem
        return unreachable("database", f"it cannot be used: {said}. Look at its file and who may write it.")
    return fail("database", reason) if reason else ok("database", f"it answers, and is at {HEAD}")


def processes(seen: Iterable[LiveProcess]) -> list[Result]:
    """Returns what differs between processes that share a database; none where one stands alone."""
    found = tuple(seen)
    if not found:
        return []
    names = ", ".join(f"{one.role} {one.zone} {one.name}".replace("  ", " ") for one in found)
    results = [ok("processes", f"{len(found)} said so in the last seconds: {names}")]
    for zone in sorted({one.zone for one in found if one.role == "worker"}):
        workers = workers_of(zone, found)
        if reason := why_no_plan(zone, workers):
            results.append(fail(f"zone {zone}", reason))
            continue
        results += [
            warn(
                f"zone {zone}",
                f"{' and '.join(those)} find other programs or settings of `{target}`, so a plan is started "
                "only by workers like the one that made it. Bring them to the same state.",
            )
            for target, those in targets_apart(workers).items()
        ]
    return results


def one_can_tell(configuration: Configuration, seen: Iterable[LiveProcess]) -> list[Result]:
    """Returns the targets of which only one of several workers can tell what it has begun."""
    found, results = tuple(seen), []
    for zone in sorted({one.zone for one in found if one.role == "worker"}):
        blind = [
            f"`{target.name}`"
            for target in configuration.targets.values()
            if isinstance(target.executor, CommandSettings)
            and target.executor.find is None
            and target.zone == zone
        ]
        workers = workers_of(zone, found)
        if blind and len(workers) > 1:
            words = (
                f"{len(workers)} workers, and without a `find` of {', '.join(blind)} only the one that has "
                "begun a restore can tell what became of it: the others wait a minute for it, then people "
                "are asked. Add `find`, or give each worker a state folder that outlives it."
            )
            results.append(warn(f"zone {zone}", words))
    return results
