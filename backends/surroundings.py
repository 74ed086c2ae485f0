"""What a backend may use of the place in which the bot works."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends.secrecy import Secrets


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an executor may use of the bot's place: relative paths start at `base`."""

    base: Path  # the folder of the configuration file
    spool: Path  # folder for detached jobs, one sub-folder per op id
    environment: Mapping[str, str] = field(default_factory=dict)  # for child processes, no secrets of ours
    place: str | None = None  # which spool that is among all workers' (`spool.name_of`); None: the only one
    secrets: Secrets = field(default_factory=Secrets)  # what nobody may repeat, a child process least of all
