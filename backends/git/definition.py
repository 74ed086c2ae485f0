"""Executor `git`."""

from backends.git.settings import GitSettings
from bot.configuration.definitions import Definition

EXECUTOR = Definition("git", GitSettings, "backends.git.executor:build")
