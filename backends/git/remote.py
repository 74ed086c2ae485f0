"""How the remote is reached: what git is told beforehand, and what its complaints mean afterwards."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backends.git import credential
from backends.git.address import Address, Credentials
from backends.git.complaints import Problem, problem_of
from backends.git.local import why_missing
from backends.git.program import LONGEST_WORDS_CHARACTERS
from backends.git.settings import FETCH_WITHIN_SECONDS
from backends.patience import PATIENCE_SECONDS
from backends.programs.process import printable
from bot.contract import Denied, TargetMissing
from bot.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Access:
    """How the remote is reached. Times in seconds."""

    credentials: Callable[[], Credentials] | None = None  # reads them anew; None: the address may hold some
    push_credentials: Callable[[], Credentials] | None = None  # None: the same
    ca_file: Path | None = None  # None: what the machine trusts
    fetch_within: float = FETCH_WITHIN_SECONDS
    runs_hooks: bool = False  # of a repository on this machine
    patience: float = PATIENCE_SECONDS  # for which one question waits for a fetch


USUAL_ACCESS: Final = Access()


class Remote:
    def __init__(self, remote: str, access: Access, trust: Path) -> None:
        """`trust`: the file of a configuration that lets a repository on this machine be served."""
        self.address = Address.of(remote)
        self._access = access
        self._trust = trust

    def own(self) -> dict[str, str]:
        """Returns the variables of git that say where it may go, and whom it may believe."""
        web = ":http" if self.address.site.startswith("http:") else ""
        own = {"GIT_ALLOW_PROTOCOL": f"file:https:ssh{web}"}
        if self._access.ca_file is not None:
            own["GIT_SSL_CAINFO"] = str(self._access.ca_file)
        if self.address.folder is not None:
            own["GIT_CONFIG_GLOBAL"] = str(self._trust)
        return own

    def variables(self, *, pushing: bool = False) -> dict[str, str]:
        """Returns variables for git and for what it asks for a password; everybody else sees none of it.

        Raises Denied when there is none to be had.
        """
        given = self._credentials(pushing)
        if given is None:
            return {}
        script = f"!{shlex.quote(sys.executable)} -I -S {shlex.quote(credential.__file__)}"
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.helper",
            "GIT_CONFIG_VALUE_0": script,
            credential.SITE: self.address.site,
            credential.USER: given.user,
            credential.PASSWORD: given.password,
        }

    def _credentials(self, pushing: bool) -> Credentials | None:
        own = self._access.push_credentials if pushing else None
        read = own or self._access.credentials
        if read is None:
            return self.address.credentials
        try:
            given = read()
        except ConfigurationError as problem:
            raise Denied(f"The credentials of the repository cannot be read: {problem}") from None
        if not given.password or not f"{given.user}{given.password}".isprintable():
            raise Denied("The credentials of the repository cannot be used: the password must be one line.")
        return given

    def problem(self, complaints: str) -> Problem | None:
        words = printable(" ".join(complaints.split()), LONGEST_WORDS_CHARACTERS)
        given = self._access.credentials is not None or self.address.credentials is not None
        problem = problem_of(complaints, words, self.address.site, with_credentials=given)
        if isinstance(problem, TargetMissing) and self.address.folder is not None:
            return why_missing(self.address.folder)
        return problem
