"""A real backend with a command line: one JSON file is the world, one file remembers every effect.

Started as `python -I -S ctl.py FOLDER COMMAND …`. It takes no op id by itself: whoever calls `restore` twice
restores twice, and the effects show it. In `world.json` stand `points`, `current`, `restored` (a state for
each op id), and what a test wishes:

  wait_for   a file that `restore` waits for before it acts
  fail       words with which `restore` ends before it acts
  linger     a file that `restore` waits for after it has acted
  hang       seconds before any answer
  refuse     words with which everything ends instead of an answer
  say        text that is printed instead of any answer
"""

import json
import os
import sys
import time
from typing import Any


def main(folder: str, command: str, *rest: str) -> None:
    os.chdir(folder)
    world = read()
    time.sleep(world.get("hang", 0))
    if "refuse" in world:
        sys.exit(world["refuse"])
    if "say" in world:
        sys.stdout.write(world["say"])
    elif command == "points":
        print(json.dumps(world["points"]))
    elif command == "current":
        print(json.dumps({"id": world["current"]}))
    elif command == "find":
        print(json.dumps({"state": world["restored"].get(rest[0], "absent")}))
    elif command == "measure":
        ids = [point["id"] for point in world["points"]]
        print(json.dumps({"seconds": 60 * ids.index(rest[0]), "units": [{"name": "orders", "count": 212}]}))
    elif command == "cancel":
        open("cancelled", "w").close()
    elif command == "restore":
        point, flag, op = rest
        assert flag == "--op"
        restore(world, point, op)


def restore(world: dict[str, Any], point: str, op: str) -> None:
    print("progress 1/2 steps", flush=True)
    while "wait_for" in world and not os.path.exists(world["wait_for"]):
        if os.path.exists("cancelled"):
            sys.exit("cancelled in time")
        time.sleep(0.01)
    if "fail" in world:
        sys.exit(world["fail"])
    with open("effects.jsonl", "a") as effects:
        effects.write(json.dumps({"point": point, "op": op, "at": time.time()}) + "\n")
        effects.flush()
        os.fsync(effects.fileno())
    change(current=point, restored={**read()["restored"], op: "done"})
    while "linger" in world and not os.path.exists(world["linger"]):
        time.sleep(0.01)
    print("progress 2/2 steps", flush=True)


def read() -> dict[str, Any]:
    with open("world.json") as file:
        world: dict[str, Any] = json.load(file)
    return world


def change(**what: Any) -> None:
    world = {**read(), **what}
    with open("world.json.new", "w") as file:
        json.dump(world, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace("world.json.new", "world.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
