"""The manifest of a snapshot: what was asked for, what its copy shows, and what that holds.

It follows from the run alone, so it is the same whenever it is written, also after the copy is gone.
"""

from datetime import datetime
from typing import Any

from bot.canonical_json import iso, iso_if
from bot.contents import Contents
from bot.looking import CONTENTS, contents_of
from bot.model import (
    Do,
    Outcome,
)
from bot.run import Run

FORMAT = 1


def manifest(run: Run, installation: str) -> dict[str, Any]:
    """Returns JSON values; what is not known is null. `run`: a snapshot that has been copied.

    Times are UTC, `not_in_it_seconds` lies between the state and the moment asked for.
    """
    plan = run.approval.plan
    asked, state = plan.as_of, plan.point.at
    between = (asked - state).total_seconds() if asked and state else None
    return {
        "format": FORMAT,
        "installation": installation,
        "run": run.id,
        "target": plan.target,
        "environment": plan.environment,
        "asked_as_of": iso_if(asked),
        "state_of": iso_if(state),
        "not_in_it_seconds": between,
        "source": {"point": plan.point.id, "sha256": plan.point.fingerprint or None},
        "contents": _contents(contents_of(run)),
        "asked_by": {"account": run.request.requester.id, "name": run.request.requester.name},
        "because": run.request.reason,
        "approved_by": [{"account": one.person, "at": iso(one.at)} for one in run.approval.given],
        "plan_digest": run.approval.digest,
        "copied_at": iso_if(run.work.prepared_at),
        "verified_at": iso_if(_verified_at(run)),
    }


def _contents(found: Contents | None) -> dict[str, Any] | None:
    if found is None:
        return None
    tables = {name: {"rows": rows.count, "sha256": rows.hash} for name, rows in found.tables.items()}
    return {"tables": tables, "schema_sha256": found.schema or None}


def _verified_at(run: Run) -> datetime | None:
    """Returns when everything was first seen to be as it had to be; None: nobody could look at the copy.

    Later looks are in the evidence.
    """
    first = next(record for record in run.work.steps if record.step.do is Do.CHECK)
    was_seen = any(finding.name != CONTENTS for finding in run.work.findings)
    return first.ended_at if was_seen and first.outcome is Outcome.SUCCEEDED else None
