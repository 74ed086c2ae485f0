"""Who makes the commit of a restore, and how it looks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from backends.git.message import CommitMessage
from backends.git.settings import EMAIL, NAME


@dataclass(frozen=True, slots=True)
class Signing:
    format: Literal["ssh", "openpgp"]
    key: str  # the path of a private key, or the id of one in the keyring
    keyring: Path | None = None  # None: that of the user


@dataclass(frozen=True, slots=True)
class Authorship:
    name: str = NAME
    email: str = EMAIL
    message: CommitMessage = field(default_factory=CommitMessage)
    signing: Signing | None = None

    @property
    def author(self) -> str:
        return f"{self.name} <{self.email}>"

    def identity(self) -> dict[str, str]:
        return {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", self.name), ("EMAIL", self.email))
        }


USUAL_AUTHORSHIP: Final = Authorship()
