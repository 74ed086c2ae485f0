"""Settings of a branch of a git repository."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from backends.git.message import TEMPLATE, why_not_template, why_not_trailer, why_not_value
from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Settings, Text, Value, Wait

NAME = "Rollback Bot"
EMAIL = "rollback-bot@localhost"
FETCH_WITHIN_SECONDS = 3600.0


def _checked(why_not: Callable[[str], str | None]) -> AfterValidator:
    def refuse(text: str) -> str:
        if reason := why_not(text):
            raise PydanticCustomError("commit", "{reason}", {"reason": reason})
        return text

    return AfterValidator(refuse)


def _why_not_name(name: str) -> str | None:
    """Git itself leaves some characters out, silently."""
    if re.fullmatch(r"[^<>]*\w[^<>]*", name) and name.isprintable():
        return None
    return "must be a name without < and >"


def _why_not_email(email: str) -> str | None:
    if re.fullmatch(r"[^<>\s]+@[^<>\s]+", email) and email.isprintable():
        return None
    return "must be an e-mail address such as rollback-bot@example.com"


Key: TypeAlias = Annotated[Text, _checked(why_not_trailer)]
Worth: TypeAlias = Annotated[Text, _checked(why_not_value)]


class SigningSettings(Settings):
    """Signs the commit by git's own means."""

    format: Literal["ssh", "openpgp"]
    key: Value
    """ssh: the file of the private key, which has no passphrase. openpgp: the id of the key."""
    keyring: Value | None = None
    """openpgp: the folder in which gpg keeps its keys. Absent: that of the bot's user."""


class CommitSettings(Settings):
    """The commit that a restore makes."""

    name: Annotated[Text, _checked(_why_not_name)] = NAME
    """Name of its author and committer."""
    email: Annotated[Text, _checked(_why_not_email)] = EMAIL
    """E-mail of its author and committer: what push rules and sign-off checks compare."""
    message: Annotated[Text, _checked(why_not_template)] = TEMPLATE
    """May hold {run}, {operation}, {path}, {point}, {subject} and {undone}. Our trailers follow it always."""
    trailers: Mapping[Key, Worth] = Field(default_factory=dict)
    """Further lines at its end, such as a ticket. The same places are filled in."""
    sign_off: Annotated[bool, Field(strict=True)] = False
    """Adds Signed-off-by with the name and e-mail above."""
    signing: SigningSettings | None = None


class GitSettings(ExecutorSettings):
    """A branch of a git repository. A restore point is a commit; going back is a new commit."""

    type: Literal["git"]
    remote: Value
    """The address to clone from and push to."""
    branch: Value = "main"
    path: Value = ""
    """Only this folder is taken back. Absent: the whole repository."""
    credentials: Mapping[Literal["user", "password"], Value] = Field(default_factory=dict)
    """Credentials for an https remote. Read each time they are used, so what was rotated counts at once."""
    push_credentials: Mapping[Literal["user", "password"], Value] = Field(default_factory=dict)
    """Other ones for pushing, so that looking needs no right to write. Absent: the same."""
    ca_file: Value | None = None
    """The certificates that an https remote is trusted by. Absent: those of the machine."""
    fetch_within: Wait = FETCH_WITHIN_SECONDS
    """How long one fetch may take in all. It goes on while nobody waits for it."""
    hooks: Literal["skip", "run"] = "skip"
    """Whether hooks of a repository on this machine run: they would run with the rights of the bot."""
    commit: CommitSettings = CommitSettings()
