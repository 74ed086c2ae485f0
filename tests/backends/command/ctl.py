"""A real backend with a command line: files in a folder are the world, one of them remembers every effect.

Started as `python -I -S ctl.py FOLDER COMMAND …`. It takes no op id by itself: whoever calls `restore` twice
restores twice, and the effects show it. The world:

  points.json, current.json   what there is and what is live, as the executor wants it printed: `cat` does
  restored/OP                 the state of an operation, likewise
  effects.jsonl               every restore, as it happened
  copies/OP                   what was prepared beside
  wishes.json                 what a test wishes:
    wait_for                    a file that `restore` waits for before it acts
    fail                        words with which `restore` ends before it acts
    linger                      a file that `restore` waits for after it has acted
"""

import json
import os
import sys
import time
from typing import Any


def main(folder: str, command: str, *rest: str) -> None:
    os.chdir(folder)
    if command == "measure":
        ids = [point["id"] for point in read("points.json")]
        print(json.dumps({"seconds": 60 * ids.index(rest[0]), "units": [{"name": "orders", "count": 212}]}))
    elif command == "cancel":
        open("cancelled", "w").close()
    elif command == "prepare":
        point, op = rest
        write(f"copies/{op}", point)
        print(json.dumps({"id": op}))
    elif command == "drop":
        if os.path.exists(f"copies/{rest[0]}"):
            os.remove(f"copies/{rest[0]}")
    elif command == "restore":
        point, flag, op = rest
        assert flag == "--op"
        restore(read("wishes.json"), point, op)


def restore(wishes: dict[str, Any], point: str, op: str) -> None:
    print("progress 1/2 steps", flush=True)
    wait_for(wishes.get("wait_for"))
    if "fail" in wishes:
        sys.exit(wishes["fail"])
    with open("effects.jsonl", "a") as effects:
        effects.write(json.dumps({"point": point, "op": op}) + "\n")
        effects.flush()
        os.fsync(effects.fileno())
    write(f"restored/{op}", {"state": "done"})
    write("current.json", {"id": point})
    wait_for(wishes.get("linger"))
    print("progress 2/2 steps", flush=True)


def wait_for(file: str | None) -> None:
    while file and not os.path.exists(file):
        if os.path.exists("cancelled"):
            sys.exit("cancelled in time")
        time.sleep(0.01)


def read(file: str) -> Any:
    with open(file) as world:
        return json.load(world)


def write(file: str, content: Any) -> None:
    with open(f"{file}.new", "w") as world:
        json.dump(content, world)
        world.flush()
        os.fsync(world.fileno())
    os.replace(f"{file}.new", file)


if __name__ == "__main__":
    main(*sys.argv[1:])
