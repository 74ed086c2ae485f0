"""A repository on this machine, as far as it matters before a push: its hooks, its work tree, our rights.

Git serves such a remote by a process of ours. So its owner's hooks would run with our rights, and git asks
whether we trust a repository that belongs to another user.
"""

import os
from pathlib import Path
from typing import Final

from backends.git.program import Program
from bot.contract import Denied, TargetMissing, Unreachable

LOOKS_WITHIN_SECONDS: Final = 60.0
REFUSING: Final = ("pre-receive", "update", "reference-transaction", "push-to-checkout", "proc-receive")
FOLLOWING: Final = ("post-receive", "post-update")
# In place of git's own `git receive-pack`, on the other side of the pipe: what stands on a command line
# counts more than the configuration of the repository.
WITHOUT_HOOKS: Final = (
    "--receive-pack=git -c core.hooksPath=/dev/null -c core.alternateRefsCommand=true "
    "-c receive.autogc=false receive-pack"
)
LEFT_BEHIND: Final = frozenset({"warn", "ignore", "false", "no", "off", "0"})
UPDATED: Final = "updateinstead"


def git_folder(folder: Path) -> Path | None:
    """Returns what git opens for this path; None: no repository is there."""
    for found in (folder / ".git", folder, Path(f"{folder}.git/.git"), Path(f"{folder}.git")):
        if os.path.isfile(found / "HEAD") and os.path.isdir(found / "objects"):
            return found
    return None


def why_missing(folder: Path) -> Denied | TargetMissing | Unreachable:
    """Says what git calls no repository: a disk may be away for a moment, and come back."""
    if not os.path.exists(folder):
        return Unreachable("There is no repository at its address: it is gone, or its disk is away.")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Denied("The operating system does not let the bot read the repository.")
    return TargetMissing("The folder that `remote` names holds no git repository.")


def trusting(folder: Path) -> str:
    """Returns the configuration by which git serves this repository to us, whoever owns it, and no other."""
    found = git_folder(folder) or folder
    places = {str(each) for each in (folder, found, folder.resolve(), found.resolve())}
    return "[safe]\n" + "".join(
        f"\tdirectory = {_quoted(place)}\n" for place in sorted(places) if "*" not in place
    )


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class LocalRepository:
    def __init__(self, folder: Path, branch: str, runs_hooks: bool, program: Program) -> None:
        self._folder = folder
        self._branch = branch
        self._runs_hooks = runs_hooks
        self._program = program

    async def warnings(self) -> tuple[str, ...]:
        """Says what approvers must know of the hooks: a push that is tried does not meet them."""
        found = git_folder(self._folder)
        names = () if found is None else await self._hooks(found)
        if not names:
            return ()
        hooks = ", ".join(f"`{name}`" for name in names)
        if not self._runs_hooks:
            return (
                f"The repository is on this machine, and its hooks ({hooks}) will not run, as they would run "
                "with the bot's rights. So they refuse nothing, and what they do after a push is not done. "
                "Where they must run, use an ssh or https remote, or `hooks: run`.",
            )
        may = "A hook may still refuse the push" if set(names) & set(REFUSING) else "They refuse nothing"
        return (f"The repository's hooks ({hooks}) will run with the bot's rights. {may}.",)

    async def blockers(self) -> tuple[str, ...]:
        """Says what would refuse the push, and a push that is tried does not say."""
        found = git_folder(self._folder)
        if found is None:
            return ()
        blockers = []
        if not all(os.access(place, os.W_OK) for place in (found, found / "objects", found / "refs")):
            blockers.append("The operating system does not let the bot write to the repository.")
        if reason := await self._why_not_checked_out(found):
            blockers.append(reason)
        return tuple(blockers)

    async def _hooks(self, found: Path) -> tuple[str, ...]:
        where = Path(await self._said(found, "rev-parse", "--git-path", "hooks"))
        return tuple(name for name in (*REFUSING, *FOLLOWING) if os.access(where / name, os.X_OK))

    async def _why_not_checked_out(self, found: Path) -> str | None:
        """A server that holds the branch in a work tree refuses it, or lets its files fall behind."""
        trees = (await self._said(found, "worktree", "list", "--porcelain")).split("\n\n")
        if not any(f"branch refs/heads/{self._branch}" in tree.splitlines() for tree in trees):
            return None
        does = (await self._said(found, "config", "--get", "receive.denyCurrentBranch")).lower()
        held = f"`{self._branch}` is checked out in a work tree of the repository"
        if does in LEFT_BEHIND:
            return f"{held}, whose files would stay as they are: use a bare repository."
        if does != UPDATED:
            return f"{held}, so a push would be refused: use a bare repository, or check out another branch."
        if not self._runs_hooks:
            return f"{held}, which a push would update with the bot's rights: allow it by `hooks: run`."
        return None

    async def _said(self, found: Path, *argv: str) -> str:
        """Reads its configuration; nothing that it names is run. Empty where nothing is set."""
        answer = await self._program.run(f"--git-dir={found}", *argv, timeout=LOOKS_WITHIN_SECONDS)
        return answer.out.decode("utf-8", "replace").strip()
