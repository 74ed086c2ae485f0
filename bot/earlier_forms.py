"""How earlier versions stored what is stored otherwise today: read as the nouns and the kinds of now.

Nothing is written in these forms any more, and nothing stored is rewritten.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.canonical_json import from_iso, iso
from bot.event_kinds import EventKind
from bot.model import Left

EARLIER_NAMES = (  # under which `kind_of` finds a kind
    ("observed", EventKind.BASELINE_TAKEN),
    ("observed", EventKind.LOSS_MEASURED),
    ("voided", EventKind.VOIDED_BY_RESTORE),
    ("doubted", EventKind.DOUBTED_BY_RESTORE),
    ("halted", EventKind.HALTED_BY_RESTORE),
    ("halted", EventKind.STOPPED),
    ("ended", EventKind.ENDED_BY_UNDO),
    ("cancelled", EventKind.CARD_IMPOSSIBLE),
)
EARLIER_FIELDS: Mapping[str, Mapping[str, Any]] = {  # by noun, as JSON Schema
    "Loss": {
        "seconds": {
            "anyOf": [{"type": "number"}, {"type": "null"}],
            "description": "from the restore point to when it was measured; now `since`",
        }
    },
    "Leg": {
        "changes": {"type": "array", "items": {"type": "string"}, "description": "now `gone` and `diff`"}
    },
    "StepFailed": {"untouched": {"type": "boolean", "description": "now `left`"}},
    "StepStopped": {"untouched": {"type": "boolean", "description": "now `left`"}},
}


def kind_of(kind: str, data: Mapping[str, Any], by: str) -> EventKind:
    """Returns what a kind is called now. `by`: who said it; empty: the bot. Raises ValueError."""
    match kind, data:
        case "observed", {"findings": _}:
            return EventKind.BASELINE_TAKEN
        case "observed", _:
            return EventKind.LOSS_MEASURED
        case (("voided" | "doubted" | "halted"), {"installation": _}):
            return EventKind(f"{kind}_by_restore")
        case "halted", _ if "why" not in data:
            return EventKind.STOPPED
        case "ended", {"undone_by": str()}:
            return EventKind.ENDED_BY_UNDO
        case "cancelled", _ if not by:
            return EventKind.CARD_IMPOSSIBLE
        case _:
            return EventKind(kind)


def fields_of(data: Mapping[str, Any], at: datetime) -> Mapping[str, Any]:
    """Returns the data of an event in the fields of now. `at`: when it was stored."""
    match data:
        case {"plan": {"loss": {"seconds": _}} as plan}:
            return {**data, "plan": _plan(plan)}
        case {"loss": {"seconds": _} as loss}:
            return {**data, "loss": _loss(loss, at)}
        case {"untouched": bool(sure)}:
            kept = {name: value for name, value in data.items() if name != "untouched"}
            return {**kept, "left": (Left.BEFORE if sure else Left.UNKNOWN).value}
        case _:
            return data


def _plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    made_at = from_iso(plan["made_at"])
    return {
        **plan,
        "loss": _loss(plan["loss"], made_at),
        "legs": [_leg(leg, made_at) for leg in plan["legs"]],
    }


def _leg(leg: Mapping[str, Any], made_at: datetime) -> dict[str, Any]:
    gone = [{"id": line} for line in leg.get("changes", ())]
    kept = {name: value for name, value in leg.items() if name != "changes"}
    return {**kept, "gone": gone, "loss": _loss(leg["loss"], made_at)}


def _loss(loss: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The window was told in seconds up to when it was measured."""
    kept = {name: value for name, value in loss.items() if name != "seconds"}
    if loss["seconds"] is None or loss["quality"] == "none":
        return kept
    until = from_iso(loss["measured_at"]) if loss.get("measured_at") else at
    return {**kept, "since": iso(until - timedelta(seconds=loss["seconds"]))}
