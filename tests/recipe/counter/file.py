"""The counter's file: read and replaced as a whole, by one process at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bot.contract import TargetMissing


@dataclass(frozen=True, slots=True)
class CounterState:
    value: int
    live: str  # the id of the value that was meant to be here
    points: dict[str, tuple[float, int]]  # by id: when it was set, and the value
    taken: dict[str, str] = field(default_factory=dict)  # by op id: the digest of its plan
    restores: int = 0


class CounterFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> CounterState:
        """Raises TargetMissing."""
        try:
            return CounterState(**json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            raise TargetMissing(f"{self._path} does not exist.") from None

    def write(self, state: CounterState) -> None:
        """Everybody sees the state before, or this one."""
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(state)))
        draft.replace(self._path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def restored(state: CounterState, point: str, op_id: str, digest: str) -> CounterState:
    """The op id is taken by the same write that changes the value: never one without the other."""
    return replace(
        state,
        value=state.points[point][1],
        live=point,
        taken={**state.taken, op_id: digest},
        restores=state.restores + 1,
    )
