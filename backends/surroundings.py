"""The place in which the bot works, as far as a backend may use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends.secrecy import Secrets
from backends.worker_key import WorkerKey


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Holds folders, variables and secrets for executors and checks: relative paths start at `base`."""

    base: Path  # the folder of the configuration file
    spool: Path  # folder for detached jobs, one sub-folder per op id
    environment: Mapping[str, str] = field(default_factory=dict)  # for child processes, no secrets of ours
    place: str | None = None  # which spool that is among all workers' (`spool.name_of`); None: the only one
    key: WorkerKey = field(default_factory=WorkerKey.fresh, repr=False)  # of the zone's workers
    secrets: Secrets = field(default_factory=Secrets)  # what nobody may repeat, a child process least of all
