"""What git's complaints mean, as errors of the contract, each cause with words of its own.

Git says why by text alone. Each pattern is of what git 2.39, curl 7.88 and OpenSSH 9.2 say in English; what
fits none is told as git said it.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from bot.contract import Blocked, Denied, TargetMissing, Unreachable

Problem: TypeAlias = Blocked | Denied | TargetMissing | Unreachable

NO_CREDENTIALS: Final = "The repository asks for a user name and a password: name them by `credentials`."
WRONG_CREDENTIALS: Final = "The repository refuses the user name and the password: renew what holds them."
MOVED: Final = (
    "The repository has moved to another host, which gets no credentials: put its new address into `remote`."
)


@dataclass(frozen=True, slots=True)
class GitSaying:
    pattern: re.Pattern[str]
    kind: type[Problem]
    words: str  # a sentence for people; with %s: what git said


def _cause(pattern: str, kind: type[Problem], words: str) -> GitSaying:
    return GitSaying(re.compile(pattern, re.IGNORECASE | re.MULTILINE), kind, words)


CAUSES: Final = (
    _cause(
        r"^remote: .*(?:no space left on device|disk quota exceeded)",
        Blocked,
        "The disk of the repository's host is full: free some space there.",
    ),
    _cause(
        r"no space left on device|disk quota exceeded",
        Blocked,
        "The disk with our copy of the repository is full: free some space.",
    ),
    _cause(
        r"problem with the ssl ca cert|error setting certificate",
        Blocked,
        "The certificates that `ca_file` names cannot be read: see whether the file is there.",
    ),
    _cause(
        r"ssl certificate problem|certificate verification failed|SSL: no alternative certificate"
        r"|does not match target host",
        Blocked,
        "The certificate of the repository's host is not trusted: name its authority by `ca_file`. %s",
    ),
    _cause(
        r"host key verification failed",
        Denied,
        "The ssh key of the repository's host is not known here, or another one than before: "
        "see to `known_hosts` of the bot's user.",
    ),
    _cause(
        r"corruption on the remote side|did not send all necessary objects"
        r"|^remote: .*(?:unable to read [0-9a-f]{40}|missing (?:blob|tree|commit|object)|bad object)",
        Blocked,
        "The repository is damaged, an object of its is missing: run `git fsck` there. %s",
    ),
    _cause(
        r"permission denied|access denied|not allowed|returned error: 403| denied to ",
        Denied,
        "The repository refuses us: %s",
    ),
    _cause(
        r"repository '?.*'? not found|returned error: 404|does not appear to be a git repository"
        r"|not valid: is this a git repository",
        TargetMissing,
        "There is no repository at its address, or we may not see it.",
    ),
    _cause(
        r"could not resolve host",
        Unreachable,
        "The name of the repository's host is not known: see to its spelling, and to the network.",
    ),
    _cause(
        r"connection refused|failed to connect to|couldn't connect to server",
        Unreachable,
        "The repository's host refuses the connection: see whether its server runs.",
    ),
    _cause(
        r"timed out|timeout|too slow",
        Unreachable,
        "The repository's host does not answer in time.",
    ),
    _cause(
        r"returned error: (?:429|5\d\d)",
        Unreachable,
        "The server of the repository is in trouble: %s",
    ),
    _cause(
        r"early EOF|unexpected disconnect|hung up|connection (?:was )?(?:reset|closed)|RPC failed"
        r"|broken pipe|empty reply",
        Unreachable,
        "The connection to the repository broke off.",
    ),
)
# Said by a client that never came through, so nothing was sent. The words of a hook begin with `remote:`.
NEVER_SENT: Final = re.compile(
    r"^fatal: unable to access .*: (?:Could not resolve host|Failed to connect to"
    r"|The requested URL returned error: \d|.*SSL|.*certificate)"
    r"|^fatal: (?:Authentication failed|could not read (?:Username|Password)) for "
    r"|^fatal: '.*' does not appear to be a git repository"
    r"|^ssh: (?:connect to host|Could not resolve hostname) |^Host key verification failed",
    re.MULTILINE,
)
NO_BRANCH: Final = re.compile(r"couldn't find remote ref")
_ASKED: Final = re.compile(r"could not read (?:username|password) for '([^']*)'", re.IGNORECASE)
_REFUSED: Final = re.compile(r"authentication failed", re.IGNORECASE)


def problem_of(complaints: str, words: str, site: str = "", with_credentials: bool = False) -> Problem | None:
    """Returns what they mean; None: nobody knows.

    `site`: of the remote on the web; `with_credentials`: it was given some.
    """
    if asked := _ASKED.search(complaints):
        at_home = "://" not in asked[1] or _site(asked[1]) == site.lower()
        if not at_home:
            return Denied(MOVED)
        return Denied(WRONG_CREDENTIALS if with_credentials else NO_CREDENTIALS)
    if _REFUSED.search(complaints):
        return Denied(WRONG_CREDENTIALS if with_credentials else NO_CREDENTIALS)
    for cause in CAUSES:
        if cause.pattern.search(complaints):
            return cause.kind((cause.words % words if "%s" in cause.words else cause.words).strip())
    return None


def _site(address: str) -> str:
    """`https://ana@git.example` is `https://git.example`."""
    scheme, _, rest = address.lower().partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"
