"""Another process, with an executor of its own on a world that exists: `Stranger` in harness.py."""

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from backends.conformance.harness import Moment, World, carried_out
from bot.contract import OutcomeUnknown, Taken, Work
from bot.errors import PermanentError, TemporaryError
from bot.model import Do


async def main(orders: dict[str, Any]) -> str:
    module, _, name = orders["world"].partition(":")
    world: World = getattr(importlib.import_module(module), name)(Path(orders["root"]))
    executor = world.executor(orders["dies"] and Moment(orders["dies"]))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    work = Work(**{**orders["work"], "do": Do(orders["work"]["do"])})
    try:
        end = await carried_out(executor, work)
    except OutcomeUnknown:
        return "lost"
    except (PermanentError, TemporaryError) as error:
        return type(error).__name__
    return end.value if isinstance(end, Taken) else "done" if end.ok else "failed"


if __name__ == "__main__":
    print(asyncio.run(main(json.loads(sys.argv[1]))), flush=True)
