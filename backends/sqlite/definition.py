"""Executor `sqlite`."""

from backends.sqlite.settings import SqliteSettings
from bot.configuration.definitions import Definition

EXECUTOR = Definition("sqlite", SqliteSettings, "backends.sqlite.executor:build")
