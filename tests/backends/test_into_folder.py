"""A copy is put into a folder whole or not at all, once, and never over something else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from backends import into_folder
from backends.into_folder import NotPut, put
from backends.snapshot_check import FILES, files_of
from tests.backends.test_snapshot_check import change, database, described


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "audit"
    made.mkdir()
    return made


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return database(tmp_path / "RB-60.1.copy.db")


@pytest.fixture
def manifest(tmp_path: Path, copy: Path) -> Path:
    path = tmp_path / into_folder.MANIFEST
    path.write_text(json.dumps({**described(copy), "target": "orders"}))
    return path


def test_it_is_there_whole_and_nothing_else_is(copy: Path, manifest: Path, folder: Path) -> None:
    assert put(copy, manifest, folder, "RB-60") == "handed over"
    assert os.listdir(folder) == ["RB-60"]
    assert sorted(os.listdir(folder / "RB-60")) == ["manifest.json", "orders.db", "snapshot_check.py"]


def test_a_second_time_it_only_looks(copy: Path, manifest: Path, folder: Path) -> None:
    put(copy, manifest, folder, "RB-60")
    assert put(copy, manifest, folder, "RB-60") == "handed over before"


def test_what_was_changed_since_is_no_hand_over(copy: Path, manifest: Path, folder: Path) -> None:
    put(copy, manifest, folder, "RB-60")
    change(folder / "RB-60" / "orders.db", "delete from t where id = 1")
    with pytest.raises(NotPut, match="It is not shown to be the copy"):
        put(copy, manifest, folder, "RB-60")


def test_another_folder_of_that_name_is_left_alone(copy: Path, manifest: Path, folder: Path) -> None:
    (folder / "RB-60").mkdir()
    (folder / "RB-60" / "mine").touch()
    with pytest.raises(NotPut, match="is there already and holds something else"):
        put(copy, manifest, folder, "RB-60")
    assert os.listdir(folder / "RB-60") == ["mine"]


def test_a_copy_that_is_not_what_the_manifest_says_goes_nowhere(
    copy: Path, manifest: Path, folder: Path
) -> None:
    change(copy, "delete from t where id = 1")
    with pytest.raises(NotPut, match="NOT as the manifest says"):
        put(copy, manifest, folder, "RB-60")
    assert os.listdir(folder) == []


def test_a_copy_that_is_a_folder_keeps_its_links_and_what_may_be_executed(
    tmp_path: Path, folder: Path
) -> None:
    made, manifest = tmp_path / "made", tmp_path / into_folder.MANIFEST
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "run").touch(mode=0o700)
    (made / "current").symlink_to("bin")
    summed = files_of(made)
    tables = {FILES: {"rows": summed.count, "sha256": summed.hexdigest}}
    told = {"run": "RB-60", "target": "site", "source": {"sha256": None}, "contents": {"tables": tables}}
    manifest.write_text(json.dumps(told))
    put(made, manifest, folder, "RB-60")
    assert (folder / "RB-60" / "site" / "current").readlink() == Path("bin")
    assert os.access(folder / "RB-60" / "site" / "bin" / "run", os.X_OK)


def test_an_owner_that_nobody_knows_is_told_and_nothing_is_left(
    copy: Path, manifest: Path, folder: Path
) -> None:
    with pytest.raises(NotPut, match="no account nobody-of-that-name"):
        put(copy, manifest, folder, "RB-60", "nobody-of-that-name")
    assert os.listdir(folder) == []


def test_where_nobody_can_tell_whether_it_is_the_copy_it_goes_nowhere(
    copy: Path, manifest: Path, folder: Path
) -> None:
    told = {**json.loads(manifest.read_text()), "source": {"sha256": None}, "contents": None}
    manifest.write_text(json.dumps(told))
    with pytest.raises(NotPut, match="It cannot be told"):
        put(copy, manifest, folder, "RB-60")
    assert os.listdir(folder) == []


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o720])
def test_a_folder_that_others_write_into_gets_nothing(
    copy: Path, manifest: Path, folder: Path, mode: int
) -> None:
    folder.chmod(mode)
    with pytest.raises(NotPut, match="Others can write into the folder"):
        put(copy, manifest, folder, "RB-60")


def test_a_folder_in_one_that_others_write_into_gets_nothing(
    copy: Path, manifest: Path, folder: Path
) -> None:
    (folder / "inner").mkdir()
    folder.chmod(0o777)
    with pytest.raises(NotPut, match="Others can write into the folder"):
        put(copy, manifest, folder / "inner", "RB-60")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_of_who_gets_the_files_is_not_ours_to_write_into(
    copy: Path, manifest: Path, folder: Path
) -> None:
    shutil.chown(folder, "daemon")
    with pytest.raises(NotPut, match="Others can write into the folder"):
        put(copy, manifest, folder, "RB-60", "daemon")


def test_a_link_of_that_name_is_not_followed(
    copy: Path, manifest: Path, folder: Path, tmp_path: Path
) -> None:
    put(copy, manifest, folder, "RB-60")
    (folder / "RB-60").rename(tmp_path / "elsewhere")
    (folder / "RB-60").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotPut, match="holds something else"):
        put(copy, manifest, folder, "RB-60")


def test_what_was_killed_half_way_is_cleared_away_by_the_next(
    copy: Path, manifest: Path, folder: Path
) -> None:
    (folder / ".RB-60.draft").mkdir()
    (folder / ".RB-60.draft" / "orders.db").write_bytes(b"half of it")
    put(copy, manifest, folder, "RB-60")
    assert os.listdir(folder) == ["RB-60"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_all_of_it_is_its_owners(copy: Path, manifest: Path, folder: Path) -> None:
    put(copy, manifest, folder, "RB-60", "daemon")
    put_there = [folder / "RB-60", *(folder / "RB-60").iterdir()]
    assert {path.owner() for path in put_there} == {"daemon"}


def test_where_it_cannot_be_put_it_says_why_in_one_line(
    copy: Path, manifest: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = into_folder.main([str(copy), str(manifest), str(folder / "away"), "RB-60"])
    said = capsys.readouterr().err
    assert (code, said.count("\n"), str(folder) in said) == (1, 1, False)
