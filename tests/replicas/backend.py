"""The backends of several targets: one small program, a folder for each target, one file for all effects.

The program takes the op id and only then acts, so it is the backend itself that refuses a second effect. It
outlives whoever called it. What it does is steered by files: `hang`, and `takes` seconds for a restore.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.clock import utc_now
from tests.chaos.histories import Effect, Journal

VERSIONS = ("v40", "v41", "v42")
CREDENTIAL = "SHOP_PASSWORD"  # the environment variable that only workers have
PASSWORD = "canary-of-the-targets"


@dataclass(frozen=True, slots=True)
class Target:
    """How one is configured. `found`: the backend itself can say what became of an op id."""

    name: str
    zone: str = "main"
    found: bool = True
    maintained: bool = False
    quorum: int = 1
    approvers: tuple[str, ...] = ("managers",)
    requesters: tuple[str, ...] = ("responders",)
    by_path: bool = False  # its program is found by PATH


class Backend:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ctl = folder / "ctl"
        self.journal = Journal(folder / "effects")

    def build(self, targets: Sequence[Target]) -> None:
        self.folder.mkdir()
        self.ctl.write_text(_CTL.format(folder=self.folder, credential=CREDENTIAL, password=PASSWORD))
        self.ctl.chmod(0o755)
        now = utc_now()
        points = [
            {"id": version, "created_at": (now - timedelta(hours=hours)).isoformat()}
            for hours, version in enumerate(reversed(VERSIONS), start=1)
        ]
        (self.folder / "points").write_text(json.dumps(points))
        for target in targets:
            (self.folder / target.name / "ops").mkdir(parents=True)
            (self.folder / target.name / "current").write_text(VERSIONS[-1])

    def configured(self, target: Target) -> dict[str, Any]:
        """Its part of rollback.yaml."""
        call = [self.ctl.name if target.by_path else str(self.ctl), target.name]
        executor: dict[str, Any] = {
            "type": "command",
            "points": {"argv": [*call, "points"]},
            "current": {"argv": [*call, "current"]},
            "restore": {"argv": [*call, "restore", "{op}", "{point}"]},
            "environment": {CREDENTIAL: {"env": CREDENTIAL}},
        }
        if target.found:
            executor["find"] = {"argv": [*call, "find", "{op}"]}
        described: dict[str, Any] = {
            "kind": "system",
            "requesters": list(target.requesters),
            "loss": {"declared": "none", "by": "the tests", "because": "stateless"},
            "executor": executor,
            "approval": {"from": list(target.approvers), "quorum": target.quorum},
        }
        if target.zone != "main":
            described["zone"] = target.zone
        if target.maintained:
            described["maintenance"] = {
                "enter": {"type": "command", "argv": [*call, "enter", "{op}"]},
                "leave": {"type": "command", "argv": [*call, "leave", "{op}"]},
            }
        return described

    def hang(self, target: str) -> None:
        """Its next restores begin, and do not end."""
        (self.folder / target / "hang").touch()

    def go_on(self, target: str) -> None:
        (self.folder / target / "hang").unlink(missing_ok=True)

    def takes(self, target: str, seconds: float) -> None:
        (self.folder / target / "takes").write_text(str(seconds))

    def release(self) -> None:
        """Nothing hangs any more, so nothing of it is left running for long."""
        for brake in self.folder.glob("*/hang"):
            brake.unlink(missing_ok=True)

    def current(self, target: str) -> str:
        return (self.folder / target / "current").read_text()

    def effects(self, target: str | None = None) -> tuple[Effect, ...]:
        return tuple(e for e in self.journal.read() if target in {None, e.target})

    def restored(self, target: str) -> list[str]:
        return [effect.point for effect in self.effects(target) if effect.do == "restore"]

    def begun(self, target: str) -> list[str]:
        """The op id of each time that the program was called to restore, also when it was taken before."""
        calls = self.folder / target / "calls"
        return calls.read_text().split() if calls.exists() else []


_CTL = r"""#!/bin/sh
# ctl TARGET VERB [OP [POINT]]
target=$1 op=$3 point=$4
cd "{folder}/$target" || exit 9

effect() {{  # what was done
  mkdir "ops/$op" 2>/dev/null || exit 0  # somebody took it before
  run=${{op#*.}}
  printf '{{"run":"%s","op":"%s","do":"%s","target":"%s","point":"%s",%s,"at":"%s","pid":%s}}\n' \
    "${{run%%.*}}" "$op" "$1" "$target" "$point" '"digest":null,"epoch":null' \
    "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)" $$ >> ../effects
  sync ../effects
}}

case "$2" in
  points) cat ../points ;;
  current) printf '{{"id": "%s"}}' "$(cat current)" ;;
  find)
    state=absent
    [ -d "ops/$op" ] && state=in_flight
    [ -e "ops/$op/done" ] && state=done
    printf '{{"state": "%s"}}' $state ;;
  restore)
    [ "${credential}" = "{password}" ] || {{ echo "wrong password" >&2; exit 7; }}
    echo "$op" >> calls
    effect restore
    while [ -e hang ]; do sleep 0.05; done
    [ -e takes ] && sleep "$(cat takes)"
    printf '%s' "$point" > "current.$op"
    mv "current.$op" current
    touch "ops/$op/done" ;;
  enter) effect maintenance_on ;;
  leave) effect maintenance_off ;;
esac
"""
