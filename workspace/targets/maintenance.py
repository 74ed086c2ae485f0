"""Maintenance on or off, as the bot's configuration runs it: `maintenance.py on|off FLAG`. Twice is once."""

import sys
from pathlib import Path

if __name__ == "__main__":
    word, flag = sys.argv[1], Path(sys.argv[2])
    if word == "on":
        flag.touch()
        print("customers wait")
    else:
        flag.unlink(missing_ok=True)
        print("customers are back")
