"""Keeps what was measured beside the code: a file a day and commit, renewed by whoever measures again."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.machine import ROOT, commit

Row = Mapping[str, Any]


def keep(prefix: str, about: Mapping[str, object], name: str, rows: Sequence[Row], key: str) -> Path:
    """`rows` under `name`, told apart by `key`: what was measured before stays, unless it is among them."""
    of = f"{datetime.now(UTC):%Y-%m-%d}-{commit().rstrip('+')}"
    path = ROOT / "benchmarks" / "results" / f"{prefix}{of}.json"
    path.parent.mkdir(exist_ok=True)
    known: list[Row] = json.loads(path.read_text())[name] if path.exists() else []
    merged = list({row[key]: row for row in [*known, *rows]}.values())
    path.write_text(json.dumps({**about, name: merged}, indent=1) + "\n")
    print(f"kept in {path.relative_to(ROOT)}")
    return path
