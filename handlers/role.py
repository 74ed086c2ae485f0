"""What one process does. It stands alone, so that the command line starts without reading settings."""

from enum import StrEnum


class Role(StrEnum):
    """Apart, neither half holds the other's secrets."""

    ALL = "all"
    FRONT = "front"  # hears Slack and speaks to it; no credentials of targets
    WORKER = "worker"  # drives runs; no signing secret of Slack

    @property
    def hears(self) -> bool:
        return self is not Role.WORKER

    @property
    def drives(self) -> bool:
        return self is not Role.FRONT
