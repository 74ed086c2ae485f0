"""What it was measured on: enough to compare two results, nothing that names the machine."""

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def facts() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_1m_5m_15m": [round(load, 1) for load in os.getloadavg()],
    }


def commit() -> str:
    """Short; with a plus when what was measured is not what was committed."""
    return _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain") else "")


def _git(*argv: str) -> str:
    return subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
