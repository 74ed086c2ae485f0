"""Tells git a user name and a password, for one site and nobody else.

A plain script over the standard library: git runs it when a server asks, and says on standard input which
server that is. After a redirect to another host it is asked again, and says nothing. The values come in by
environment variables, which only git and this script are given.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

SITE: Final = "ROLLBACK_GIT_SITE"
USER: Final = "ROLLBACK_GIT_USER"
PASSWORD: Final = "ROLLBACK_GIT_PASSWORD"  # noqa: S105 - the name of a variable


def answer(request: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Yields the lines that git reads; none for another site than ours."""
    asked = dict(line.rstrip("\n").split("=", 1) for line in request if "=" in line)
    site = f"{asked.get('protocol', '')}://{asked.get('host', '')}"
    if site.lower() == environment.get(SITE, "").lower():
        yield f"username={environment[USER]}\n"
        yield f"password={environment[PASSWORD]}\n"


if __name__ == "__main__" and sys.argv[1:] == ["get"]:  # git also says what to keep and what to forget
    sys.stdout.writelines(answer(sys.stdin, os.environ))
