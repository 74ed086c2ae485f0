"""Draws the manifest of a snapshot for people. Programs get the same as JSON: `bot.manifest`."""

from datetime import datetime

from bot.contents import Contents
from bot.looking import contents_of
from bot.run import Run
from bot.views.facts import CardFacts
from bot.views.limits import View, code, escape, mention, modal, sections
from bot.views.words import day_and_clock, duration, people, target_name, version

TABLES_SHOWN = 40


def form(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    return modal(f"{run.id} · Manifest", sections(rows(run)))


def rows(run: Run) -> list[str]:
    plan = run.approval.plan
    if plan.as_of is None:
        return [f"{run.id} is no snapshot, so it has no manifest."]
    state, between = plan.point.at, None
    if state is not None:
        between = (plan.as_of - state).total_seconds()
    by = people(approval.person for approval in run.approval.given)
    looked = day_and_clock(run.work.looked_at) if run.work.looked_at else "never"
    return [
        f"*{run.id} · {target_name(plan.target)} · {escape(plan.environment.upper(), 20)}*",
        f"Asked as of {day_and_clock(plan.as_of)}",
        f"State of {day_and_clock(state) if state else 'not known'}",
        f"Not in it: what was written in the {duration(between)} between" if between else "",
        f"Source {code(version(plan.point.id), 60)} · SHA-256 {code(plan.point.fingerprint or 'none', 64)}",
        *_contents(contents_of(run)),
        f"Asked by {mention(run.request.requester.id)}, approved by {by}",
        f"Looked at last {looked}",
        f"`rollback-bot snapshot manifest {run.id}` prints it whole",
    ]


def _contents(found: Contents | None) -> list[str]:
    if found is None:
        return ["Its backend does not say what it holds"]
    named = sorted(found.tables.items())
    shown = [
        f"{escape(name, 60)}: {rows.count:,} · SHA-256 {code(rows.hash, 64)}"
        for name, rows in named[:TABLES_SHOWN]
    ]
    more = len(named) - len(shown)
    shown += [f"and {more} more"] if more else []
    return [f"Schema SHA-256 {code(found.schema, 64)}" if found.schema else "", *shown]
