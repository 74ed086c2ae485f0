"""What is read of a commit's list of files, and which links stay inside. Values only."""

import pytest

from backends.git.tree import DAMAGED, CommitTree, stays_inside
from bot.contract import Blocked


def listed(*paths: str, mode: str = "100644", kind: str = "blob", size: str = "1") -> bytes:
    return b"".join(f"{mode} {kind} {'1' * 40} {size:>7}\t{path}\0".encode() for path in paths)


@pytest.mark.parametrize(
    "paths", [("../a",), ("a/../b",), ("/a",), ("a//b",), (".git/hooks/x",), ("a/.Git",), ("a", "a")]
)
def test_a_commit_made_by_hand_with_names_that_lead_elsewhere_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(Blocked, match="git itself would not check out"):
        CommitTree.listed(listed(*paths))


def test_a_commit_made_by_hand_with_a_file_that_is_also_a_folder_is_refused() -> None:
    with pytest.raises(Blocked, match="`a` as a file and as a folder"):
        CommitTree.listed(listed("a", mode="120000") + listed("a/b"))


def test_every_file_and_folder_counts_as_whole_blocks() -> None:
    tree = CommitTree.listed(listed("a/b", size="1") + listed("c", size="4097"))
    assert (tree.size, tree.needs_bytes) == (4098, 5 * 4096)


def test_an_object_that_our_copy_of_the_repository_lacks_is_said() -> None:
    with pytest.raises(Blocked, match=DAMAGED):
        CommitTree.listed(listed("a", size="BAD"))


@pytest.mark.parametrize(
    ("link", "target", "stays"),
    [
        (b"a", b"b", True),
        (b"a/b", b"../c/d", True),
        (b"a/b", b"..", True),
        (b"a/b", b"./../c//d/.", True),
        (b"a", b"...", True),
        (b"a", b"..", False),
        (b"a/b", b"../..", False),
        (b"a/b", b"c/../d", False),
        (b"a/b", b"c/..", False),
        (b"a", b"/etc/passwd", False),
        (b"a", b"", False),
        (b"a", b"b\0c", False),
        (b"a", b"b" * 4096, False),
    ],
)
def test_a_link_that_goes_up_later_than_at_its_beginning_may_lead_anywhere(
    link: bytes, target: bytes, stays: bool
) -> None:
    assert stays_inside(link, target) is stays
