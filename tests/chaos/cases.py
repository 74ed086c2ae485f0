"""One case: a story, the moments at which its bots are killed, and what the checker says of it afterwards."""

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import violations
from tests.chaos.moments import named
from tests.chaos.outside import Crashed, Impossible, Outside, Silent
from tests.chaos.stories import STORIES


@dataclass(frozen=True, slots=True)
class Case:
    """`kills`: which moment of each life is its last, counted from 1. The last life is not killed."""

    story: str
    kills: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    case: Case
    trails: tuple[tuple[str, ...], ...]  # the moments that each life has reached
    problems: tuple[str, ...]
    seconds: float

    @property
    def kills(self) -> int:
        """How many lives were ended; fewer than wanted when the story ended before."""
        return len(self.trails) - 1


Fresh = Callable[[Path], AbstractContextManager[str]]  # the URL of an empty database, perhaps in the folder


def play(case: Case, fresh: Fresh, folder: Path) -> Verdict:
    began = time.perf_counter()
    folder.mkdir()
    story, problems = STORIES[case.story], []
    with fresh(folder) as url:
        # Beside others a new process has to wait until the claims of the dead are over.
        alone = url.startswith("sqlite")
        outside = Outside(folder, url, story.configuration, case.kills, seed=case.seed, alone=alone)
        try:
            outside.begin()
            story.tell(outside)
            outside.quiet()
        except Silent as silence:
            problems.append(f"I4: {silence}")
        except (Crashed, Impossible) as problem:
            problems.append(f"{type(problem).__name__}: {problem}")
        finally:
            outside.end()
        problems += [f"{found.invariant}: {found.words}" for found in violations(outside.histories())]
        outside.close()
    shutil.rmtree(folder)
    trails = tuple(tuple(named(trail)) for trail in outside.lives)
    return Verdict(case, trails, tuple(problems), time.perf_counter() - began)
