"""Executor `releases`."""

from backends.releases.settings import ReleasesSettings
from bot.configuration.definitions import Definition

EXECUTOR = Definition("releases", ReleasesSettings, "backends.releases.executor:build")
