"""Where executors and checks start from, and what their child processes may see."""

import os
import secrets
from pathlib import Path

from backends.programs.spool import name_of
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.worker_key import WorkerKey
from bot.configuration import Configuration

CHILD_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSH_AUTH_SOCK", "TMPDIR")  # no secret of ours


def resolver_for(configuration: Configuration, state: Path, worker_key: Path) -> Resolver:
    """Makes the spool with its name, the state folder around it, and the worker's key, for us alone.

    Raises ConfigurationError when the key cannot be read.
    """
    spool = state / "spool"
    for folder in (state, spool):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = {name: os.environ[name] for name in CHILD_ENVIRONMENT if name in os.environ}
    place = name_of(spool, secrets.token_hex(8))
    key = WorkerKey.at(worker_key)
    return Resolver(Surroundings(configuration.path.parent, spool, environment, place, key), os.environ)
