"""The one file that says what may be taken back, by whom, and how: rollback.yaml.

`settings` are the nouns and `values` what a field may hold, `definitions` are the backends' parts of it, and
`documents` are the whole made of both. `lines` reads YAML, `sentences` words what pydantic found, `rules` are
what must be true beyond shapes, `loading` brings them together, `digests` names what an approval depends on.
"""

from bot.configuration.digests import policy_digest, procedure_digest
from bot.configuration.documents import json_schema
from bot.configuration.loading import load
from bot.configuration.settings import (
    HANDED_OVER,
    MAIN_ZONE,
    Backups,
    Configuration,
    Declared,
    Drill,
    DrillStart,
    HandOver,
    Hook,
    Hours,
    Human,
    Procedure,
    ProcedureStep,
    Rule,
    SignificantChange,
    Snapshots,
    Target,
)
from bot.configuration.surprises import warnings

__all__ = [
    "HANDED_OVER",
    "MAIN_ZONE",
    "Backups",
    "Configuration",
    "Declared",
    "Drill",
    "DrillStart",
    "HandOver",
    "Hook",
    "Hours",
    "Human",
    "Procedure",
    "ProcedureStep",
    "Rule",
    "SignificantChange",
    "Snapshots",
    "Target",
    "json_schema",
    "load",
    "policy_digest",
    "procedure_digest",
    "warnings",
]
