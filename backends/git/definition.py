"""Executor `git`."""

from collections.abc import Iterator, Mapping
from typing import Literal

from backends.git.address import WEB, why_not_branch, why_not_path, why_not_remote
from backends.git.settings import GitSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault
from bot.configuration.values import Reference

NOT_ON_THE_WEB = "`credentials` are for an https remote only. An ssh remote takes the keys of the bot's user."
TWICE = "The remote carries credentials, and `credentials` name others. Take the first out of the address."
NO_PASSWORD = "`credentials` must name a `password`, as {env: NAME} or {file: PATH}."  # noqa: S105 - a sentence


def _faults(settings: GitSettings, target: Target) -> Iterator[Fault]:
    """Yields what is wrong with the settings. A reference is judged only when its value is known."""
    asked = (
        ("remote", settings.remote, why_not_remote),
        ("branch", settings.branch, why_not_branch),
        ("path", settings.path, why_not_path),
    )
    for name, value, why_not in asked:
        if isinstance(value, str) and (reason := why_not(value)):
            yield Fault((name,), reason)
    yield from _of_credentials("credentials", settings.credentials, settings.remote)
    yield from _of_credentials("push_credentials", settings.push_credentials, settings.remote)
    if target.backup is not None:
        words = "A git repository keeps every commit itself, so there is nothing to back up."
        yield Fault(("type",), f"{words} Take `backup` out.")
    signing = settings.commit.signing
    if signing is not None and signing.format == "ssh" and signing.keyring is not None:
        words = "A `keyring` is gpg's: with `format: ssh` the `key` is the file of the private key."
        yield Fault(("commit", "signing", "keyring"), words)


def _of_credentials(
    name: str, given: Mapping[Literal["user", "password"], str | Reference], remote: str | Reference
) -> Iterator[Fault]:
    if not given:
        return
    if not isinstance(given.get("password"), Reference):
        yield Fault((name,), NO_PASSWORD)
    if isinstance(remote, str):
        scheme, _, rest = remote.partition("://")
        if scheme.lower() not in WEB:
            yield Fault((name,), NOT_ON_THE_WEB)
        elif "@" in rest.partition("/")[0]:
            yield Fault((name,), TWICE)


EXECUTOR = Definition(
    "git",
    GitSettings,
    "backends.git.executor:build",
    faults=_faults,
    changes=("remote", "branch", "path"),
)
