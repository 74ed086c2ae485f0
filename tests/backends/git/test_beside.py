"""A copy of a commit beside its repository: what is in it, who may read it, and when it goes."""

import asyncio
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import IO

import pytest
import pytest_asyncio

from backends.conformance.harness import (
    PATIENCE_SECONDS,
    Moment,
    carried_out,
    dropping,
    ended,
    preparing,
    strangers,
    work_for,
)
from backends.git.beside import (
    DROPS,
    CommitCopies,
    copy_folder,
    unfinished_of,
)
from backends.git.executor import Git, build
from backends.git.program import MOST_ANSWER_BYTES
from backends.git.repository import Repository
from backends.git.settings import GitSettings
from backends.git.tree import CUT_OFF, DAMAGED, CommitFile, CommitTree
from backends.marker import Marker, Markers, MarkerStage
from backends.references import Resolver
from backends.room import refuse_without_room
from backends.surroundings import Surroundings
from backends.worker_key import WorkerKey
from bot.clock import utc_now
from bot.contract import (
    COPY,
    Blocked,
    Busy,
    Ended,
    Fate,
    PointUnavailable,
    Progress,
    Taken,
    Unreachable,
    Work,
)
from bot.model import Beside, Finding, Goal, Left, Verdict
from tests.backends.git.world import GitWorld, git

OTHERS = stat.S_IRWXG | stat.S_IRWXO
HOOKS = ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitWorld]:
    world = GitWorld.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def executor(world: GitWorld) -> Git:
    return world.executor()


@pytest_asyncio.fixture
async def work(executor: Git) -> Work:
    return await drilled(executor, "price 11")


async def drilled(executor: Git, subject: str) -> Work:
    """For a drill: it expects nothing of what is live."""
    point = next(one.id for one in (await executor.points()).points if one.label == subject)
    way = await executor.plan(Goal(point=point), utc_now())
    return preparing(replace(work_for(way), expected=""))


async def copied(executor: Git, work: Work) -> Path:
    end = await carried_out(executor, work)
    assert isinstance(end, Ended), end
    assert isinstance(end.made, Beside), end
    return Path(end.made.environment[COPY])


async def seen(executor: Git, work: Work) -> Finding:
    (finding,) = await executor.verify(work)
    return finding


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def all_below(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


def unfinished(world: GitWorld, work: Work) -> Path:
    return unfinished_of(copy_folder(world.markers.folder, work.op_id))


# What is in it, and who may read it


async def test_the_copy_holds_what_the_commit_held_under_the_names_that_it_had(
    executor: Git, work: Work
) -> None:
    copy = await copied(executor, work)
    assert files(copy) == {"prod/item0": "x\n", "prod/item1": "x\n", "prod/price": "11\n"}


async def test_without_a_path_everything_is_copied(world: GitWorld) -> None:
    world.path = ""
    executor = world.executor()
    copy = await copied(executor, await drilled(executor, "nothing of production"))
    assert files(copy)["staging/price"] == "1\n"
    assert files(copy)["prod/price"] == "12\n"


async def test_a_path_that_is_one_file_is_copied_alone(world: GitWorld) -> None:
    world.path = "prod/price"
    executor = world.executor()
    copy = await copied(executor, await drilled(executor, "price 10"))
    assert files(copy) == {"prod/price": "10\n"}


async def test_of_a_commit_without_the_path_the_copy_is_empty(world: GitWorld) -> None:
    git(world.colleague, "rm", "-r", "--quiet", "prod")
    git(world.colleague, "commit", "--quiet", "-m", "nothing any more")
    world.commit({"prod/price": "7\n"}, "again", 6)
    executor = world.executor()
    work = await drilled(executor, "nothing any more")
    assert all_below(copy := await copied(executor, work)) == [copy]
    assert (await seen(executor, work)).verdict is Verdict.PASSED


async def test_nobody_but_the_bot_may_read_the_copy(world: GitWorld) -> None:
    (world.colleague / "prod" / "run").write_text("#!/bin/sh\n")
    (world.colleague / "prod" / "run").chmod(0o755)
    world.commit({}, "a program", 5)
    executor = world.executor()
    copy = await copied(executor, await drilled(executor, "a program"))
    assert {path for path in all_below(copy.parent) if path.lstat().st_mode & OTHERS} == set()
    assert stat.S_IMODE((copy / "prod" / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE((copy / "prod" / "price").stat().st_mode) == 0o600


async def test_files_are_as_they_are_stored_whatever_the_repository_asks_for(
    world: GitWorld, tmp_path: Path
) -> None:
    """Of a checkout this would change every line ending, fill in a keyword, and run a filter."""
    asked = "* text eol=crlf ident filter=tell export-subst\nprod/hidden export-ignore\n"
    text = "one $Id$ $Format:%H$\n"
    world.commit({"prod/.gitattributes": asked, "prod/text": text, "prod/hidden": "too\n"}, "odd", 5)
    told = tmp_path / "told"
    executor = world.executor()
    await executor.points()
    (cache,) = world.root.glob("work-*/*.git")
    git(cache, "config", "filter.tell.smudge", f"touch {told}; cat")
    for hook in HOOKS:
        path = cache / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {told}\n")
        path.chmod(0o755)
    copy = await copied(executor, await drilled(executor, "odd"))
    assert (copy / "prod" / "text").read_bytes() == text.encode()
    assert (copy / "prod" / "hidden").exists()
    assert not told.exists()


async def test_names_and_contents_that_are_no_text_are_copied_byte_by_byte(world: GitWorld) -> None:
    content = bytes(range(256)) * 5_000
    odd = os.fsdecode(b'prod/\xff "a\tb"\nc')
    (world.colleague / odd).write_bytes(content)
    world.commit({"prod/empty": ""}, "bytes", 5)
    executor = world.executor()
    work = await drilled(executor, "bytes")
    copy = await copied(executor, work)
    assert (copy / odd).read_bytes() == content
    assert (copy / "prod" / "empty").read_bytes() == b""
    assert (await seen(executor, work)).verdict is Verdict.PASSED


async def test_a_link_is_a_link_only_where_it_stays_in_the_copy(world: GitWorld, tmp_path: Path) -> None:
    (world.colleague / "prod" / "inside").symlink_to("../prod/price")
    (world.colleague / "prod" / "absolute").symlink_to(tmp_path)
    (world.colleague / "prod" / "above").symlink_to("../../price")
    world.commit({}, "links", 5)
    executor = world.executor()
    work = await drilled(executor, "links")
    prod = await copied(executor, work) / "prod"
    assert os.readlink(prod / "inside") == "../prod/price"
    assert (prod / "inside").read_text() == "-1\n"
    assert not (prod / "absolute").is_symlink()
    assert (prod / "absolute").read_text() == str(tmp_path)
    assert (prod / "above").read_text() == "../../price"
    finding = await seen(executor, work)
    assert finding.verdict is Verdict.PASSED
    assert finding.words == "The files of the commit. Links that may lead out of it are plain files: 2."


async def test_a_submodule_is_an_empty_folder_and_nothing_is_fetched(world: GitWorld) -> None:
    (world.colleague / "prod" / ".gitmodules").write_text('[submodule "x"]\n\turl = ext::false\n')
    gitlink = f"160000,{'1' * 40},prod/module"
    git(world.colleague, "update-index", "--add", "--cacheinfo", gitlink)
    git(world.colleague, "commit", "--quiet", "-m", "a module")
    git(world.colleague, "push", "--quiet", "origin", "main")
    executor = world.executor()
    work = await drilled(executor, "a module")
    module = await copied(executor, work) / "prod" / "module"
    assert all_below(module) == [module]
    assert (await seen(executor, work)).verdict is Verdict.PASSED
    (module / "more").touch()
    assert (await seen(executor, work)).words == "`prod/module/more` is not in the commit."


async def test_a_commit_made_by_hand_is_refused_before_anything_is_written(world: GitWorld) -> None:
    blob = git(world.colleague, "rev-parse", "main:prod/price")
    staging = git(world.colleague, "rev-parse", "main:staging")
    inner = made_by_hand(world, f"100644 blob {blob}\tprice\n40000 tree {staging}\t..\n")
    committed(world, inner, "by hand")
    executor = world.executor()
    work = await drilled(executor, "by hand")
    with pytest.raises(Blocked, match="would not check out"):
        await carried_out(executor, work)
    assert not copy_folder(world.markers.folder, work.op_id).exists()
    assert (await executor.find(work)).fate is Fate.ABSENT


async def test_a_list_of_files_that_is_longer_than_other_answers_of_git_is_read_whole(
    world: GitWorld,
) -> None:
    blob = git(world.colleague, "rev-parse", "main:prod/price")
    many = 1 + MOST_ANSWER_BYTES // 250
    inner = made_by_hand(world, "".join(f"100644 blob {blob}\t{n:0200}\n" for n in range(many)))
    commit = committed(world, inner, "many files")
    repository = world.executor()._repository
    await repository.fetch()
    assert len((await repository.tree(commit)).files) == many


def committed(world: GitWorld, prod: str, subject: str) -> str:
    """Pushes a commit in which `prod` is this tree, and nothing else is there."""
    tree = made_by_hand(world, f"40000 tree {prod}\tprod\n")
    commit = git(world.colleague, "commit-tree", "-p", "main", "-m", subject, tree)
    git(world.colleague, "push", "--quiet", "origin", f"{commit}:main")
    return commit


def made_by_hand(world: GitWorld, entries: str) -> str:
    """Returns the id of a tree of these entries, which git mktree would refuse."""
    raw = b""
    for entry in entries.splitlines():
        about, name = entry.split("\t")
        mode, _, object_id = about.split()
        raw += f"{mode} {name}\0".encode() + bytes.fromhex(object_id)
    argv = ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
    made = subprocess.run(argv, input=raw, cwd=world.colleague, capture_output=True, check=True)
    return made.stdout.decode().strip()


# Whether it is what the commit holds


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda prod: (prod / "price").write_text("99\n"), "`prod/price` is not what the commit holds."),
        (lambda prod: (prod / "price").write_text("119\n"), "`prod/price` is not what the commit holds."),
        (lambda prod: (prod / "price").chmod(0o700), "`prod/price` is not what the commit holds."),
        (lambda prod: (prod / "price").unlink(), "`prod/price` is missing."),
        (lambda prod: (prod / "more").touch(), "`prod/more` is not in the commit."),
        (lambda prod: (prod / "more").mkdir(), "`prod/more` is not in the commit."),
        (lambda prod: (prod / "more").symlink_to("price"), "`prod/more` is not in the commit."),
        (lambda prod: by_link(prod / "price"), "`prod/price` is not what the commit holds."),
        (lambda prod: by_link(prod), "`prod` is not what the commit holds."),
    ],
)
async def test_the_first_path_that_is_not_as_in_the_commit_is_named(
    executor: Git, work: Work, spoil: Spoil, words: str
) -> None:
    spoil(await copied(executor, work) / "prod")
    finding = await seen(executor, work)
    assert (finding.name, finding.verdict, finding.words) == ("copy", Verdict.FAILED, words)


def by_link(path: Path) -> None:
    """Puts a link to the same content in its place."""
    path.symlink_to(path.rename(path.with_name("z")))


async def test_a_link_with_another_aim_or_made_a_file_is_not_what_the_commit_holds(world: GitWorld) -> None:
    (world.colleague / "prod" / "link").symlink_to("price")
    world.commit({}, "a link", 5)
    executor = world.executor()
    work = await drilled(executor, "a link")
    link = await copied(executor, work) / "prod" / "link"
    for spoil in (lambda: link.symlink_to("item0"), lambda: link.write_text("price")):
        link.unlink()
        spoil()
        assert (await seen(executor, work)).words == "`prod/link` is not what the commit holds."


async def test_a_file_that_became_a_link_of_the_same_words_is_not_what_the_commit_holds(
    world: GitWorld,
) -> None:
    world.commit({"prod/word": "price"}, "a word", 5)
    executor = world.executor()
    work = await drilled(executor, "a word")
    word = await copied(executor, work) / "prod" / "word"
    word.unlink()
    word.symlink_to("price")
    assert (await seen(executor, work)).words == "`prod/word` is not what the commit holds."


async def test_what_is_whole_passes_also_when_history_was_rewritten_since(
    world: GitWorld, executor: Git, work: Work
) -> None:
    await copied(executor, work)
    world.loses(work.point)
    finding = await seen(executor, work)
    assert (finding.verdict, finding.words) == (Verdict.PASSED, "The files of the commit.")


async def test_that_a_copy_is_gone_is_seen_without_asking_the_remote(
    world: GitWorld, executor: Git, work: Work
) -> None:
    copy = await copied(executor, work)
    await carried_out(executor, dropping(work, prepared=work.op_id))
    assert not copy.exists()
    world.remote.rename(world.root / "away.git")
    assert (await seen(executor, work)).verdict is Verdict.FAILED


# How it begins and ends


async def test_a_second_start_is_taken_even_when_the_remote_is_away(
    world: GitWorld, executor: Git, work: Work
) -> None:
    await copied(executor, work)
    world.remote.rename(world.root / "away.git")
    assert await executor.start(work) is Taken.TAKEN
    with pytest.raises(Unreachable):
        await executor.start(replace(work, op_id=f"{work.op_id}1"))


async def test_killed_before_the_copy_is_whole_it_is_absent_and_made_anew(
    world: GitWorld, executor: Git, work: Work
) -> None:
    async with strangers(world, world.root, work, dies=Moment.TAKEN) as (victim,):
        victim.go()
        assert await victim.code() == -9
    left = unfinished(world, work)
    left.mkdir()
    (left / "half").touch()
    assert (await executor.find(replace(work, handle={"op_id": work.op_id}))).fate is Fate.ABSENT
    await copied(executor, work)
    assert (await seen(executor, work)).verdict is Verdict.PASSED
    assert not left.exists()


async def test_killed_once_the_copy_is_whole_it_is_done(world: GitWorld, executor: Git, work: Work) -> None:
    async with strangers(world, world.root, work, dies=Moment.CHANGED) as (victim,):
        victim.go()
        assert await victim.code() == -9
    found = await executor.find(work)
    assert (found.fate, found.left) == (Fate.DONE, Left.BEFORE)
    assert await executor.start(work) is Taken.TAKEN
    assert (await seen(executor, work)).verdict is Verdict.PASSED


async def test_a_folder_that_only_has_the_name_of_a_copy_is_none(
    world: GitWorld, executor: Git, work: Work
) -> None:
    async with strangers(world, world.root, work, dies=Moment.TAKEN) as (victim,):
        victim.go()
        await victim.code()
    copy_folder(world.markers.folder, work.op_id).mkdir()
    assert (await executor.find(work)).fate is Fate.ABSENT


async def test_of_processes_that_race_for_one_copy_one_makes_it(
    world: GitWorld, executor: Git, work: Work
) -> None:
    async with strangers(world, world.root, *[work] * 3) as racers:
        for racer in racers:
            racer.go()
        answers = sorted([await racer.answer() for racer in racers])
    assert answers == ["done", "taken", "taken"]
    assert (await seen(executor, work)).verdict is Verdict.PASSED


async def test_finding_writes_nothing(world: GitWorld, executor: Git, work: Work) -> None:
    before = sorted(world.root.rglob("*"))
    assert (await executor.find(work)).fate is Fate.ABSENT
    assert sorted(world.root.rglob("*")) == before


async def test_what_is_barred_is_never_copied(executor: Git, work: Work) -> None:
    assert (await executor.bar(work)).fate is Fate.ABSENT
    assert await executor.start(work) is Taken.TAKEN
    found = await executor.find(work)
    assert (found.fate, found.left) == (Fate.FAILED, Left.BEFORE)


async def test_a_copy_of_another_worker_is_neither_absent_nor_gone(world: GitWorld, work: Work) -> None:
    there = replace(work, place="here")
    elsewhere = world.elsewhere()
    assert (await elsewhere.find(there)).fate is Fate.UNKNOWN
    assert (await seen(elsewhere, there)).verdict is Verdict.INCONCLUSIVE
    assert (await elsewhere.find(replace(work, place="elsewhere"))).fate is Fate.ABSENT


# While it goes on


class HeldRepository(Repository):
    """Gives no file before it is told to."""

    def __init__(self, world: GitWorld) -> None:
        super().__init__(str(world.remote), "main", world.path, world.root / "held", {})
        self.go_on = Event()

    @contextmanager
    def contents(self, tree: CommitTree) -> Iterator[IO[bytes]]:
        with super().contents(tree) as answer:
            self.go_on.wait(PATIENCE_SECONDS)
            yield answer


@pytest.fixture
def held(world: GitWorld, executor: Git) -> Iterator[HeldRepository]:
    held = HeldRepository(world)
    executor._repository = held
    yield held
    held.go_on.set()


async def test_while_it_is_made_it_says_how_far_it_is_and_everybody_sees_that_somebody_is_at_it(
    world: GitWorld, executor: Git, work: Work, held: HeldRepository
) -> None:
    await executor.start(work)
    told = await executor.poll(work)
    assert isinstance(told, Progress)
    assert (told.done, told.total, told.unit) == (0, 7, "bytes")
    assert (await world.executor().find(work)).fate is Fate.IN_FLIGHT
    held.go_on.set()
    assert (await ended(executor, work)).ok


async def test_a_copy_that_is_stopped_leaves_nothing_and_is_not_begun_again(
    world: GitWorld, executor: Git, work: Work, held: HeldRepository
) -> None:
    async def let_go() -> None:
        held.go_on.set()

    await executor.start(work)
    left, _ = await asyncio.gather(executor.cancel(work), let_go())
    assert left is Left.BEFORE
    end = await executor.poll(work)
    assert isinstance(end, Ended)
    assert (end.ok, end.left, end.words) == (False, Left.BEFORE, "Stopped after 0 of 7 bytes.")
    assert not unfinished(world, work).exists()
    assert await executor.start(work) is Taken.TAKEN


async def test_a_copy_that_is_still_being_made_is_dropped_later(
    executor: Git, work: Work, held: HeldRepository
) -> None:
    await executor.start(work)
    with pytest.raises(Busy, match="still being made"):
        await executor.start(dropping(work, prepared=work.op_id))
    held.go_on.set()
    await ended(executor, work)
    assert await carried_out(executor, dropping(work, prepared=work.op_id)) is not Taken.TAKEN


class AnsweringRepository(Repository):
    """Gets another answer than git would give."""

    def __init__(self, world: GitWorld, answer: Callable[[CommitTree], bytes]) -> None:
        super().__init__(str(world.remote), "main", world.path, world.root / "answering", {})
        self._answer = answer

    @contextmanager
    def contents(self, tree: CommitTree) -> Iterator[IO[bytes]]:
        yield BytesIO(self._answer(tree))


def about(tree: CommitTree) -> bytes:
    return f"{tree.files[0].id} blob {tree.files[0].size}\n".encode()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda tree: b"", CUT_OFF),
        (lambda tree: about(tree) + b"x", CUT_OFF),
        (lambda tree: about(tree) + b"y\n\n", DAMAGED),
        (lambda tree: f"{tree.files[0].id} missing\n".encode(), DAMAGED),
    ],
)
async def test_what_git_does_not_give_whole_is_no_copy_and_everybody_hears_why(
    world: GitWorld, executor: Git, work: Work, answer: Callable[[CommitTree], bytes], words: str
) -> None:
    executor._repository = AnsweringRepository(world, answer)
    end = await carried_out(executor, work)
    assert isinstance(end, Ended)
    assert (end.ok, end.left, end.words) == (False, Left.BEFORE, words)
    found = await world.executor().find(work)
    assert (found.fate, found.words) == (Fate.FAILED, words)
    assert not unfinished(world, work).exists()


def test_a_disk_without_room_is_said_before_the_first_byte(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    with pytest.raises(Blocked, match="The copy needs"):
        refuse_without_room(tmp_path, free.f_blocks * free.f_frsize + 1)


async def test_a_commit_that_the_disk_has_no_room_for_is_not_begun(
    world: GitWorld, executor: Git, work: Work
) -> None:
    tree = CommitTree((CommitFile(b"huge", "100644", "1" * 40, 1 << 60),))
    copies = CommitCopies(world.markers, None, utc_now)
    with pytest.raises(Blocked, match="free some space"):
        await copies.start(work, tree, executor._repository.contents)
    assert (await copies.find(work)).fate is Fate.ABSENT


# When it goes


async def test_what_somebody_who_was_killed_has_left_goes_with_the_copy(
    world: GitWorld, executor: Git, work: Work
) -> None:
    copy = await copied(executor, work)
    (unfinished(world, work) / "half").mkdir(parents=True)
    await carried_out(executor, dropping(work, prepared=work.op_id))
    assert not copy.exists()
    assert not unfinished(world, work).exists()


async def test_dropping_is_killed_once_the_copy_is_gone_and_found_done(
    world: GitWorld, executor: Git, work: Work
) -> None:
    copy, drop = await copied(executor, work), dropping(work, prepared=work.op_id)
    async with strangers(world, world.root, drop, dies=Moment.CHANGED) as (victim,):
        victim.go()
        assert await victim.code() == -9
    assert not copy.exists()
    assert (await executor.find(drop)).fate is Fate.DONE
    assert await executor.start(drop) is Taken.TAKEN


async def test_a_copy_that_half_of_is_removed_is_not_dropped_yet(
    world: GitWorld, executor: Git, work: Work
) -> None:
    copy, drop = await copied(executor, work), dropping(work, prepared=work.op_id)
    facts = {DROPS: work.op_id}
    slot = world.markers.take(drop.op_id)
    assert slot is not None
    with slot:
        slot.write(Marker(drop.digest, drop.point, drop.expected, MarkerStage.CLOSING, facts))
    copy.rename(unfinished(world, work))
    assert (await executor.find(drop)).fate is Fate.ABSENT
    assert isinstance(await executor.start(drop), Ended)
    assert not unfinished(world, work).exists()


async def test_what_is_dropped_twice_is_dropped_and_stays_so(executor: Git, work: Work) -> None:
    copy = await copied(executor, work)
    drop = dropping(work, prepared=work.op_id)
    for attempt in (drop, replace(drop, op_id=f"{drop.op_id}.2")):
        end = await executor.start(attempt)
        assert isinstance(end, Ended)
        assert (end.ok, end.left) == (True, Left.BEFORE)
        assert (await executor.find(attempt)).fate is Fate.DONE
    copy.mkdir()  # by hand
    assert (await executor.find(drop)).fate is Fate.DONE


async def test_a_copy_that_was_dropped_before_it_was_begun_is_not_made_any_more(
    executor: Git, work: Work
) -> None:
    await executor.start(dropping(work, prepared=work.op_id))
    assert await executor.start(work) is Taken.TAKEN
    found = await executor.find(work)
    assert (found.fate, found.words) == (Fate.FAILED, "The copy was dropped.")


async def test_a_note_that_was_planted_is_not_signed_by_dropping(
    world: GitWorld, executor: Git, work: Work
) -> None:
    slot = Markers(world.root, WorkerKey.fresh()).take(work.op_id)
    assert slot is not None
    with slot:
        slot.write(Marker(work.digest, work.point, work.expected, MarkerStage.DONE))
    await executor.start(dropping(work, prepared=work.op_id))
    assert (await executor.find(work)).fate is Fate.UNKNOWN


async def test_dropping_a_copy_follows_no_link_out_of_it(executor: Git, work: Work, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    copy = await copied(executor, work)
    (copy / "link").symlink_to(tmp_path / "mine")
    await executor.start(dropping(work, prepared=work.op_id))
    assert not copy.exists()
    assert (tmp_path / "mine" / "file").exists()


@pytest.mark.parametrize("copy", ["../outside", "../../outside", "/outside", "", ".", "a/b", "-x"])
async def test_nothing_outside_the_folder_of_copies_is_dropped(
    world: GitWorld, executor: Git, work: Work, copy: str
) -> None:
    for outside in (world.root / "outside.copy", world.root.parent / "outside.copy"):
        outside.mkdir()
    with pytest.raises(PointUnavailable, match="is no copy of ours"):
        await executor.start(dropping(work, prepared=copy))
    assert (world.root / "outside.copy").exists()
    assert (world.root.parent / "outside.copy").exists()


# Where it stands


async def test_copies_stand_in_the_state_folder_beside_the_copy_of_the_repository(
    world: GitWorld, tmp_path: Path
) -> None:
    settings = GitSettings(type="git", remote=str(world.remote), path="prod")
    surroundings = Surroundings(tmp_path, tmp_path / "spool", {"PATH": os.defpath}, "worker-1", world.key)
    made = build(settings, Resolver(surroundings, {}))
    assert made.place == "worker-1"
    copy = await copied(made, await drilled(made, "price 11"))
    assert copy.parent.parent == tmp_path / "spool" / "git"
    again = build(settings, Resolver(surroundings, {}))
    assert (await again.find(await drilled(again, "price 11"))).fate is Fate.DONE
