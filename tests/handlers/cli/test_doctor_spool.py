"""The doctor on spools: whether they outlive their worker, and who can see what is in them."""

from dataclasses import replace
from pathlib import Path

import pytest

from backends.installed import definitions
from bot.configuration import Configuration, load
from bot.processes import LiveProcess
from handlers.cli.doctor import installation
from handlers.cli.doctor.results import Grade
from tests.bot.stories import T0
from tests.handlers.cli.clinic import Clinic
from tests.handlers.cli.conftest import CONFIGURATION

COMMAND = """{type: command, points: {argv: [echo, '[]']}, current: {argv: [echo, '{"id": "b"}']},
      restore: {argv: [ctl, "{point}"]}}"""
FOUND = COMMAND.replace("restore:", 'find: {argv: [ctl, "{op}"]}, restore:')
# As proc(5) describes them: overlay2 of Docker, a named volume, an emptyDir with `medium: Memory`.
DISK = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw"
LAYER = "480 416 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l/A,upperdir=/d/diff"
VOLUME = "492 480 254:1 /volumes/spool-1/_data {folder} rw,relatime - ext4 /dev/vdb rw"
MEMORY = "493 480 0:25 / {folder} rw,relatime - tmpfs tmpfs rw,size=4k"
WORKER = LiveProcess("a", "db1:7", "worker", "main", "1.0", "aaaa0000", {}, T0, T0)


def configured(folder: Path, executor: str) -> Configuration:
    file = folder / "rollback.yaml"
    file.write_text(CONFIGURATION.replace("{type: releases, root: shop}", executor))
    return load(file, definitions())


def kind(path: Path, *lines: str) -> str:
    return installation.file_system(path, "\n".join(lines))


def test_a_path_is_held_by_the_deepest_mount_and_of_two_at_one_point_by_the_later(tmp_path: Path) -> None:
    volume, memory = (line.format(folder=tmp_path) for line in (VOLUME, MEMORY))
    assert kind(tmp_path / "state", LAYER) == "overlay"
    assert kind(tmp_path / "state", volume, LAYER) == "ext4"
    assert kind(tmp_path / "state", LAYER, volume, memory) == "tmpfs"
    assert kind(tmp_path.with_name(f"{tmp_path.name}-2"), LAYER, memory) == "overlay"
    assert kind(tmp_path, "", "no line of this form") == ""


def test_a_mount_point_with_a_blank_in_its_name_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "a state"
    assert kind(folder, DISK, MEMORY.format(folder=str(folder).replace(" ", "\\040"))) == "tmpfs"


@pytest.mark.parametrize(
    ("mounted", "words"),
    [
        (LAYER, "goes with the container that it is a layer of (overlay)"),
        (MEMORY.format(folder="/"), "lies in memory (tmpfs)"),
    ],
    ids=["a layer", "memory"],
)
async def test_a_spool_that_goes_with_its_worker_is_a_warning(
    clinic: Clinic, mounted: str, words: str
) -> None:
    clinic.configure(CONFIGURATION.replace("{type: releases, root: shop}", COMMAND))
    clinic.mounts.write_text(mounted)
    result = (await clinic.troubles())["spool"]
    assert result.grade is Grade.WARN
    assert words in result.words


async def test_where_nothing_is_begun_in_a_spool_nothing_is_said_of_it(clinic: Clinic) -> None:
    clinic.mounts.write_text(LAYER)
    assert "spool" not in await clinic.troubles()


def test_two_workers_of_which_only_one_can_tell_are_a_warning_that_names_the_targets(tmp_path: Path) -> None:
    known = configured(tmp_path, COMMAND)
    [result] = installation.one_can_tell(known, [WORKER, replace(WORKER, id="b", name="db2:9")])
    assert (result.name, result.grade) == ("zone main", Grade.WARN)
    assert "2 workers, and without a `find` of `storefront` only the one" in result.words


def test_one_worker_is_no_warning_nor_are_two_that_can_both_tell(tmp_path: Path) -> None:
    other = replace(WORKER, id="b", name="db2:9")
    elsewhere, front = replace(other, zone="far"), replace(other, role="front", zone="")
    assert installation.one_can_tell(configured(tmp_path, COMMAND), [WORKER, elsewhere, front]) == []
    assert installation.one_can_tell(configured(tmp_path, FOUND), [WORKER, other]) == []
