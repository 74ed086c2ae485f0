"""The one file that says what may be taken back, by whom, and how: rollback.yaml.

`settings` are the nouns, `lines` reads YAML, `sentences` words what pydantic found, `rules` are what
must be true beyond shapes, `loading` brings them together, `digests` names what an approval depends on.
"""

from bot.configuration.digests import policy_digest, procedure_digest
from bot.configuration.loading import load
from bot.configuration.rules import warnings
from bot.configuration.sentences import json_schema
from bot.configuration.settings import (
    MAIN_ZONE,
    ArgvCall,
    CheckSettings,
    CommandCall,
    CommandCheck,
    CommandSettings,
    Configuration,
    Declared,
    Defaults,
    Document,
    ExecutorSettings,
    GitSettings,
    Group,
    HttpCheck,
    Human,
    Maintenance,
    Procedure,
    ProcedureStep,
    Reference,
    ReleasesSettings,
    RestoreCall,
    Rule,
    SqlCheck,
    SqliteSettings,
    Target,
    TargetSettings,
    Value,
    resolve,
)

__all__ = [
    "MAIN_ZONE",
    "ArgvCall",
    "CheckSettings",
    "CommandCall",
    "CommandCheck",
    "CommandSettings",
    "Configuration",
    "Declared",
    "Defaults",
    "Document",
    "ExecutorSettings",
    "GitSettings",
    "Group",
    "HttpCheck",
    "Human",
    "Maintenance",
    "Procedure",
    "ProcedureStep",
    "Reference",
    "ReleasesSettings",
    "RestoreCall",
    "Rule",
    "SqlCheck",
    "SqliteSettings",
    "Target",
    "TargetSettings",
    "Value",
    "json_schema",
    "load",
    "policy_digest",
    "procedure_digest",
    "resolve",
    "warnings",
]
