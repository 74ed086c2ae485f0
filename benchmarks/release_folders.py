"""Release folders of 20,000 files: the fingerprint of one, and a rollback between such folders.

Each folder holds 160 MB, spread over folders of a hundred files. The fingerprint is taken first by a reader
that has seen nothing of the folder, then by the same reader again. The rollback is the one of `approval`,
so that its first effect comes after the whole content was compared with what was approved.
"""

import os
import time
from pathlib import Path

from backends.releases.manifest import Manifests
from benchmarks.approval import APPROVES, ASKS, CHANNEL, TARGET, rollback
from benchmarks.databases import sqlite
from benchmarks.figure import Figure, ms, quantile, spread
from benchmarks.installation import HOUR, VERSIONS, Installation, new_folder, pretend_slack

IN_A_FOLDER = 100  # files
FILE_BYTES = 8_000
ONCE_WITHIN_SECONDS = 1.0
AGAIN_WITHIN_SECONDS = 0.2
EFFECT_WITHIN_SECONDS = 0.7
ROUNDS = 3


async def measure(quick: bool) -> list[Figure]:
    files, rollbacks = (2_000, 3) if quick else (20_000, 20)
    with new_folder() as folder:
        installation = Installation(folder, [TARGET], [APPROVES])
        releases = installation.root(TARGET) / "releases"
        for age, version in enumerate(reversed(VERSIONS), start=1):
            _fill(releases / version, files, age)
        figures = _fingerprints(releases / VERSIONS[0], files)
        async with (
            sqlite(folder) as place,
            pretend_slack([ASKS, APPROVES], [CHANNEL]) as slack,
            installation.served(slack) as bot,
        ):
            await slack.does("reach", url=bot.events)
            done = [await rollback(place, installation, slack, n) for n in range(1, rollbacks + 1)]
    effects = [one.effect for one in done]
    return [
        *figures,
        Figure(
            f"last approval to first effect, {files:,} files",
            f"worst {ms(max(effects))}, median {ms(quantile(effects, 0.5))}",
            f"≤ {EFFECT_WITHIN_SECONDS:g} s",
            max(effects) <= EFFECT_WITHIN_SECONDS,
            {"runs": len(effects), "effect_ms": spread(effects)},
        ),
    ]


def _fill(release: Path, files: int, age: int) -> None:
    """No two files are the same. The release stays as old as its place in the list says."""
    block = os.urandom(FILE_BYTES)
    for n in range(files):
        folder = release / f"part-{n // IN_A_FOLDER}"
        folder.mkdir(exist_ok=True)
        (folder / f"{n}.php").write_bytes(b"%d\n" % n + block)
    at = time.time() - HOUR * age
    os.utime(release, (at, at))


def _fingerprints(release: Path, files: int) -> list[Figure]:
    once, again = [], []
    for _ in range(ROUNDS):
        reader = Manifests()
        once.append(_seconds(reader, release))
        again.append(_seconds(reader, release))
    return [
        _within(f"fingerprint of {files:,} files", once, ONCE_WITHIN_SECONDS),
        _within(f"fingerprint of {files:,} files, again", again, AGAIN_WITHIN_SECONDS),
    ]


def _within(name: str, seconds: list[float], gate: float) -> Figure:
    """The best round counts: another program on the machine makes one slower, and nothing faster."""
    return Figure(name, f"{min(seconds):.2f} s", f"≤ {gate:g} s", min(seconds) <= gate, {"seconds": seconds})


def _seconds(reader: Manifests, release: Path) -> float:
    began = time.perf_counter()
    reader.of(str(release))
    return time.perf_counter() - began
