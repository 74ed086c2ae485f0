"""Snapshots: what was drawn, kept as JSON beside the tests.

They are compared; `SNAPSHOTS=write make test` (or pytest) writes them anew, and the difference is reviewed.
"""

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "snapshots"


def matches(name: str, drawn: Any) -> bool:
    """Whether `drawn` is what was kept under that name. In writing mode it is after this call."""
    file = FOLDER / f"{name}.json"
    if os.environ.get("SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        file.write_text(json.dumps(drawn, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file.exists() and bool(json.loads(file.read_text(encoding="utf-8")) == drawn)


def kept() -> set[str]:
    return {file.stem for file in FOLDER.glob("*.json")}
