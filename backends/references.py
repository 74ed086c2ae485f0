"""References to the environment and to files become their values, only here, in the role that uses them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from backends.surroundings import Surroundings
from bot.configuration.values import Reference, resolve


class Resolver:
    """Raises ConfigurationError where a reference leads nowhere. What it has read counts as a secret."""

    def __init__(self, surroundings: Surroundings, environ: Mapping[str, str]) -> None:
        self.surroundings = surroundings
        self._environ = environ

    def text(self, value: str | Reference) -> str:
        """Raises ConfigurationError."""
        text = resolve(value, self._environ, self.surroundings.base)
        if isinstance(value, Reference):
            self.surroundings.secrets.add(text)
        return text

    def path(self, value: str | Reference) -> Path:
        return self.surroundings.base / self.text(value)

    def remote(self, value: str | Reference) -> str:
        """A folder beside the configuration, or an address that git understands."""
        text = self.text(value)
        beside = self.surroundings.base / text
        return str(beside) if "://" not in text and beside.is_dir() else text

    def with_variables(self, environment: Mapping[str, str | Reference]) -> Surroundings:
        """Returns the surroundings for programs that see these variables, too."""
        variables = {name: self.text(value) for name, value in environment.items()}
        return replace(self.surroundings, environment={**self.surroundings.environment, **variables})
