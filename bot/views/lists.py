"""Replies to the commands that only read: points, targets, status, history, help."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.model import Kind, RestorePoint
from bot.suggesting import Offer, is_live
from bot.views.home import Linked, line
from bot.views.limits import MessageContent, code, escape, link, message, sections
from bot.views.start_form import PLAIN, UNDATED, grouped
from bot.views.words import ago, drill_words, target_name, utc, version

ROWS = 20  # more would push the incident out of sight


@dataclass(frozen=True, slots=True)
class TargetRow:
    name: str
    kind: Kind
    environment: str
    open_run: Linked | None = None


def points(target: str, offer: Offer, now: datetime) -> MessageContent:
    rows = [_point(point, now, "*live now*") for point in offer.points.points if is_live(point, offer.points)]
    for title, group in grouped(offer):
        rows += [f"_{title}_"] if title != PLAIN else []
        rows += [_point(point, now, _mark(point, offer)) for point in group]
    rows += [f"_Left out: {escape(why, 200)}_" for why in offer.points.left_out]
    return _listing(f"Restore points of {target_name(target)}", rows, "No restore points are kept.")


def _mark(point: RestorePoint, offer: Offer) -> str:
    if point.id == offer.suggested:
        return "*suggested*"
    run = offer.held.get(point.id) or offer.saved_before.get(point.id)
    return f"taken back by {escape(run, 20)}" if run else ""


def drills(rows: Sequence[str], more: int, without: Sequence[str], url: str | None) -> MessageContent:
    """`without`: targets of which there are no drills at all; `url`: of the page of drills."""
    said = [f"• {row}" for row in rows] + ([f"… and {more} more"] if more else [])
    named = ", ".join(target_name(name) for name in without[:5])
    others = f" and {len(without) - 5} more" if len(without) > 5 else ""
    said += [f"No drills: {named}{others}"] if without else []
    none = "No target asks for drills: write `drill: {mode: beside, every: 90d}` under one."
    text = "\n".join(["Drills", *(said or [none])])
    page = [f"{link(url, 'How they went over time')}: for you, for 15 minutes"] if url else []
    return message(text, sections(["*Drills*", *(said or [none]), *page]))


def no_points(target: str, why: str) -> MessageContent:
    text = f"Restore points of {target_name(target)}: {escape(why, 500)}"
    return message(text, sections([text]))


def targets(rows: Sequence[TargetRow], now: datetime) -> MessageContent:
    return _listing("Targets", [_target(row, now) for row in rows], "No targets are configured.")


def status(runs: Sequence[Linked], now: datetime) -> MessageContent:
    return _listing("Open runs", [f"• {line(item, now)}" for item in runs], "Nothing is open.")


def history(target: str | None, runs: Sequence[Linked], now: datetime) -> MessageContent:
    of = f" of {target_name(target)}" if target else ""
    return _listing(f"Earlier runs{of}", [f"• {line(item, now)}" for item in runs], "No runs yet.")


def help_(verbs: Sequence[tuple[str, str]]) -> MessageContent:
    """`verbs`: how it is typed, and what it does; only what works."""
    return _listing(
        "What you can type", [f"{code(usage, 120)}\n{escape(does, 200)}" for usage, does in verbs], ""
    )


def _listing(title: str, rows: Sequence[str], none: str) -> MessageContent:
    shown = list(rows[:ROWS]) or [none]
    more = [f"… and {len(rows) - ROWS} more"] if len(rows) > ROWS else []
    text = "\n".join([title, *shown, *more])
    return message(text, sections([f"*{title}*", *shown, *more]))


def _point(point: RestorePoint, now: datetime, mark: str) -> str:
    when = utc(point.at, now) if point.at else UNDATED
    age = ago(point.at, now) if point.at else ""
    drill = drill_words(point, now)
    label = version(point.label) if point.label and point.label != point.id else ""
    author = f"by {escape(point.author, 40)}" if point.author else ""
    return "• " + " · ".join(filter(None, (mark, when, age, code(point.id), label, author, drill)))


def _target(row: TargetRow, now: datetime) -> str:
    about = f"• *{target_name(row.name)}* · {escape(row.environment.upper(), 20)} · {row.kind.value}"
    return f"{about}\n   {line(row.open_run, now)}" if row.open_run else about
