"""The commit of a restore, as push rules and sign-off checks want it."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.conformance.harness import carried_out, work_for
from backends.git.authorship import Authorship, Signing
from backends.git.executor import Git
from backends.git.message import OPERATION, PLACES, CommitMessage
from bot.clock import utc_now
from bot.contract import Blocked, Work
from bot.model import Goal, Way
from tests.backends.git.world import GitWorld, git

VALUES = {**dict.fromkeys(PLACES, "x"), "run": "RB-42", "undone": "abcdef12 bad load"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitWorld]:
    world = GitWorld.make(tmp_path / "shop")
    yield world
    world.close()


async def _way(executor: Git) -> Way:
    points = (await executor.points()).points
    return await executor.plan(Goal(point=points[-1].id), utc_now())


async def _carried_out(world: GitWorld, authorship: Authorship) -> Work:
    executor = world.executor(authorship=authorship)
    work = work_for(await _way(executor))
    await carried_out(executor, work)
    return work


def _last(world: GitWorld, form: str) -> str:
    return git(world.remote, "log", "-1", f"--format={form}", "main")


async def test_author_and_committer_are_who_the_settings_name(world: GitWorld) -> None:
    await _carried_out(world, Authorship("Shop Robot", "robot@shop.example"))
    assert _last(world, "%an <%ae>%n%cn <%ce>") == "\n".join(["Shop Robot <robot@shop.example>"] * 2)


async def test_a_message_is_what_its_template_says_and_our_trailers_follow(world: GitWorld) -> None:
    template = "{run}: back to {point}\n\nTakes back from {path}:\n{undone}"
    message = CommitMessage(template, (("Ticket", "INC-{run}"),), sign_off=True)
    work = await _carried_out(world, Authorship("Shop Robot", "robot@shop.example", message))
    lines = _last(world, "%B").splitlines()
    assert lines[:3] == [f"RB-42: back to {work.point[:8]}", "", "Takes back from prod:"]
    assert [line.partition(" ")[2] for line in lines[3:6]] == ["bad load", "price 12", "price 11"]
    assert lines[6:] == [
        "",
        f"Rollback-Operation: {work.op_id}",
        f"Rollback-Plan: {work.digest}",
        "Ticket: INC-RB-42",
        "Signed-off-by: Shop Robot <robot@shop.example>",
    ]
    assert _last(world, "%(trailers:key=Ticket,valueonly)") == "INC-RB-42"


async def test_an_operation_is_found_whatever_its_message_says(world: GitWorld) -> None:
    message = CommitMessage("Rollback-Operation: k7f3a91c.RB-1.3\n\n{subject}\n\nRollback-Plan: none")
    executor = world.executor(authorship=Authorship(message=message))
    work = work_for(await _way(executor))
    await carried_out(executor, work)
    assert (await executor.find(work)).fate.value == "done"
    assert (await executor.find(replace(work, op_id="k7f3a91c.RB-1.3"))).fate.value == "absent"


@given(
    st.text(st.sampled_from("\n :-Rrollback-Operation"), max_size=60),
    st.sampled_from([f"{OPERATION}: other", f" {OPERATION.lower()} :x", "{subject}", "{undone}"]),
    st.sampled_from(["", f"{OPERATION}: y", f"a\n{OPERATION}: z"]),
)
def test_the_operation_stands_there_exactly_once_whatever_the_template_says(
    template: str, evil: str, subject: str
) -> None:
    message = CommitMessage(f"{template}\n{evil}", (("Ticket", "{subject}"),))
    text = message.filled({**VALUES, "subject": subject}, "op.1", "d", "A <a@b>")
    carrying = [line for line in text.splitlines() if line.strip().lower().startswith(OPERATION.lower())]
    assert [line for line in carrying if ":" in line] == [f"{OPERATION}: op.1"]
    assert text.partition("\n\n")[0].strip()


def test_a_template_that_comes_to_nothing_leaves_a_subject() -> None:
    text = CommitMessage("{subject}").filled({**VALUES, "subject": ""}, "op.1", "d", "A <a@b>")
    assert text.splitlines()[0] == "Roll back x to x"


# Signatures


def _ssh_key(folder: Path, passphrase: str = "") -> Path:
    key = folder / "signing"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "robot", "-f", str(key)]
    subprocess.run(argv, check=True)
    return key


async def test_a_commit_is_signed_by_an_ssh_key(world: GitWorld, tmp_path: Path) -> None:
    key = _ssh_key(tmp_path)
    await _carried_out(world, Authorship(signing=Signing("ssh", str(key))))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"robot {key.with_suffix('.pub').read_text()}")
    verified = git(
        world.remote,
        *("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}"),
        *("log", "-1", "--format=%G? %GS", "main"),
    )
    assert verified == "G robot"


async def test_a_commit_is_signed_by_a_key_of_a_gpg_keyring(world: GitWorld, tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    ring.mkdir(mode=0o700)
    gpg = {"PATH": os.defpath, "GNUPGHOME": str(ring)}
    making = (
        "gpg",
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-generate-key",
        "robot@shop",
        "ed25519",
    )
    try:
        subprocess.run(making, env=gpg, check=True, capture_output=True)
        await _carried_out(world, Authorship(signing=Signing("openpgp", "robot@shop", ring)))
        argv = ("git", f"--git-dir={world.remote}", "verify-commit", "main")
        subprocess.run(argv, env={**gpg, "GIT_CONFIG_NOSYSTEM": "1"}, check=True, capture_output=True)
    finally:
        subprocess.run(("gpgconf", "--kill", "all"), env=gpg, check=True)


@pytest.mark.parametrize("broken", ["missing", "locked", "readable by all"])
async def test_a_key_that_cannot_sign_is_found_before_anybody_approves(
    world: GitWorld, tmp_path: Path, broken: str
) -> None:
    key = _ssh_key(tmp_path, "a passphrase" if broken == "locked" else "")
    if broken == "missing":
        key.unlink()
    if broken == "readable by all":
        key.chmod(0o644)
    executor = world.executor(authorship=Authorship(signing=Signing("ssh", str(key))))
    way = await _way(executor)
    [blocker] = way.blockers
    assert blocker.startswith("The commit cannot be signed, see to `signing`: ")
    assert str(key) not in blocker
    with pytest.raises(Blocked, match="cannot be signed"):
        await executor.start(work_for(way))
    assert world.effects() == 0
