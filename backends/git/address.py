"""Where a repository is, and what git must never be told.

Git runs commands that are named in an address (`ext::`), and takes what begins with a dash for an option.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

Setting: TypeAlias = Literal["remote", "branch", "path"]

SCHEMES: Final = frozenset({"file", "http", "https", "ssh", "git+ssh", "ssh+git"})
WEB: Final = frozenset({"http", "https"})
LONGEST_STEP_BYTES: Final = 250  # of a branch: a server keeps it as a file, and a lock beside it

_HELPER = re.compile(r"[A-Za-z0-9.+-]+::")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.+-]*)://")
_NEVER_IN_A_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    remote: str  # as git is given it, without a password
    folder: Path | None = None  # of a repository on this machine
    site: str = ""  # `https://git.example:8443`; "": not on the web
    credentials: Credentials | None = None  # that stood in it

    @classmethod
    def of(cls, remote: str) -> "Address":
        """`remote` has passed `why_not`."""
        scheme = _scheme(remote)
        if scheme in WEB:
            return _on_the_web(urlsplit(remote))
        if scheme == "file":
            return cls(remote, Path(os.path.abspath(unquote(urlsplit(remote).path))))
        if scheme or ":" in remote.partition("/")[0]:
            return cls(remote)
        return cls(remote, Path(os.path.abspath(remote)))


def why_not(remote: str, branch: str, path: str) -> Iterator[tuple[Setting, str]]:
    """Yields which setting cannot work, and why, in a sentence."""
    if reason := why_not_remote(remote):
        yield "remote", reason
    if reason := why_not_branch(branch):
        yield "branch", reason
    if reason := why_not_path(path):
        yield "path", reason


def why_not_remote(remote: str) -> str | None:
    scheme = _scheme(remote)
    if not remote or remote.startswith("-") or _HELPER.match(remote) or not remote.isprintable():
        return "The remote of git must be a folder, or an address of ssh or https."
    if scheme and scheme not in SCHEMES:
        return f"The remote of git begins with {scheme}://, which is not used here. Use https:// or ssh://."
    if scheme not in WEB:
        return _why_not_quiet(remote)
    try:
        address = urlsplit(remote)
        host, _ = address.hostname, address.port
    except ValueError:
        host = None
    if not host:
        return "The remote of git has no host that can be read."
    if scheme == "http" and not _is_this_machine(host):
        return (
            "The remote of git begins with http://, where everybody on the way can read and change what is "
            "sent. Use https:// or ssh://."
        )
    return None


def why_not_branch(branch: str) -> str | None:
    """Says it as `git check-ref-format --branch` does, without asking git."""
    steps = branch.split("/")
    try:
        longest = max(len(step.encode()) for step in steps)
    except UnicodeEncodeError:
        longest = LONGEST_STEP_BYTES + 1
    is_one = (
        not branch.startswith("-")
        and branch not in ("", "HEAD")
        and not _NEVER_IN_A_BRANCH.search(branch)
        and not branch.endswith(".")
        and all(step and not step.startswith(".") and not step.endswith(".lock") for step in steps)
        and longest <= LONGEST_STEP_BYTES
    )
    return None if is_one else f"{branch!r} is no name that a branch of git can have."


def why_not_path(path: str) -> str | None:
    path = path.rstrip("/")
    if path.startswith(("-", "/")) or not set(path.split("/")).isdisjoint({".", "..", ".git"}):
        return f"The path {path!r} must be inside the repository."
    return None


def _scheme(remote: str) -> str:
    found = _SCHEME.match(remote)
    return found[1].lower() if found else ""


def _why_not_quiet(remote: str) -> str | None:
    try:
        password = urlsplit(remote).password if "://" in remote else None
    except ValueError:
        return "The remote of git is no address that can be read."
    if password is not None:
        return "The remote of git carries a password, which the process list would show. Use a key."
    return None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _on_the_web(address: SplitResult) -> Address:
    """On a command line everybody on the machine could read the credentials."""
    before, _, host = address.netloc.rpartition("@")
    name, _, password = before.partition(":")
    site = f"{address.scheme.lower()}://{host}"
    given = Credentials(unquote(name), unquote(password)) if before else None
    return Address(urlunsplit(address._replace(netloc=host)), None, site, given)
