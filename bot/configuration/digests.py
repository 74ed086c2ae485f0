"""What an approval depends on, as two digests that are part of every plan.

Policy: who may ask, agree and stop, and how much may be lost. Procedure: what will be done and looked
at. When either changes after an approval, the approval no longer counts.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from bot.canonical_json import digest
from bot.configuration.settings import Configuration, Target

# Absent they count for nothing: what was approved before holds.
SINCE_ADDED = {"undo", "drill", "snapshots", "backup"}
POLICY = {"requesters", "owner", "risk", "rpo", "loss", "loss_tolerance", "approval"} | SINCE_ADDED
WORK = {"kind", "environment", "executor", "maintenance", "checks", "undo_days"}


def policy_digest(configuration: Configuration, target: Target) -> str:
    """Over the rules of every target that the plan changes, their groups, and who is one human."""
    touched = _touched(configuration, target)
    groups = {ref for each in touched for ref in _refs(each)} & set(configuration.groups)
    return digest(
        {
            "targets": {each.name: _policy(each) for each in touched},
            "groups": {name: _unordered(configuration.groups[name]) for name in groups},
            "people": sorted((_unordered(human) for human in configuration.people), key=lambda h: h["name"]),
        }
    )


def procedure_digest(configuration: Configuration, target: Target) -> str:
    """Over the procedure's steps and its document, and how each of its targets is restored, checked and kept
    off line."""
    procedure = configuration.procedures.get(target.procedure or "")
    touched = _touched(configuration, target)
    work = {
        "procedure": procedure and procedure.model_dump(mode="json", exclude_defaults=True),
        "targets": {
            each.name: each.model_dump(mode="json", include=WORK, exclude_defaults=True) for each in touched
        },
    }
    written = configuration.documents.get(procedure.document or "") if procedure else None
    return digest(work if written is None else {**work, "document": written})


def _touched(configuration: Configuration, target: Target) -> tuple[Target, ...]:
    procedure = configuration.procedures.get(target.procedure or "")
    named = {step.target for step in procedure.steps if step.target} if procedure else set()
    return (target, *(configuration.targets[name] for name in named if name != target.name))


def _refs(target: Target) -> Iterable[str]:
    return (*target.approval.from_, *target.requesters, *([target.owner] if target.owner else []))


def _policy(target: Target) -> dict[str, Any]:
    policy = target.model_dump(mode="json", include=POLICY)
    policy["requesters"].sort()
    policy["approval"]["from_"].sort()
    if policy["drill"] is not None:
        del policy["drill"]["every"]  # how often somebody is reminded agrees to nothing
        del policy["drill"]["after"], policy["drill"]["scenario"]
        if policy["drill"]["target"] is None:
            del policy["drill"]["target"]
        if not policy["drill"]["start"]["itself"]:
            del policy["drill"]["start"]
    if policy["snapshots"] is not None and policy["snapshots"]["to"] is None:
        del policy["snapshots"]["to"]
    if policy["backup"] is not None:
        del policy["backup"]["every"]  # nor how often one is taken
    return {name: value for name, value in policy.items() if name not in SINCE_ADDED or value is not None}


def _unordered(model: BaseModel) -> dict[str, Any]:
    """Lists of people are sets: their order changes nothing, nor does the channel where they are told."""
    fields = model.model_dump(mode="json", exclude={"channel"})
    return {key: sorted(value) if isinstance(value, list) else value for key, value in fields.items()}
