"""What the environment says. Any secret may be given as `NAME_FILE`, the path of a file that holds it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import ConfigurationError
from handlers.role import Role

SECRETS = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "SLACK_READ_TOKEN",
    "ROLLBACK_DATABASE_URL",  # of a server it carries a password
)
DRAIN_AT_MOST_SECONDS = 3_600.0
STANDSTILL_AT_LEAST_SECONDS, STANDSTILL_AT_MOST_SECONDS = 1.0, 3_600.0


class ProcessSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    bot_token: SecretStr | None = Field(None, alias="SLACK_BOT_TOKEN")
    app_token: SecretStr | None = Field(None, alias="SLACK_APP_TOKEN")  # opens Socket Mode
    signing_secret: SecretStr | None = Field(None, alias="SLACK_SIGNING_SECRET")  # opens HTTP
    read_token: SecretStr | None = Field(None, alias="SLACK_READ_TOKEN")  # of a worker: who is in which group
    api_url: str = Field("https://slack.com/api/", alias="SLACK_API_URL")
    config: Path = Field(Path("rollback.yaml"), alias="ROLLBACK_CONFIG")
    state_dir: Path = Field(Path("state"), alias="ROLLBACK_STATE_DIR")
    database_url: SecretStr | None = Field(None, alias="ROLLBACK_DATABASE_URL")
    signing_key: Path | None = Field(None, alias="ROLLBACK_SIGNING_KEY_FILE")  # of a front
    front_keys: Path | None = Field(None, alias="ROLLBACK_FRONT_KEYS_FILE")  # public; whom a worker believes
    worker_key_file: Path | None = Field(None, alias="ROLLBACK_WORKER_KEY_FILE")  # one a zone
    may_end_runs: bool = False  # by `--yes`: an upgrade may end what waits under a plan of before
    http: str = Field("127.0.0.1:3000", alias="ROLLBACK_HTTP")
    log: str = Field("text", alias="ROLLBACK_LOG")
    # How long a worker that was told to end follows what runs in its spool. Orchestrators kill after 30.
    drain_seconds: float = Field(25.0, alias="ROLLBACK_DRAIN_SECONDS")
    # How long the loop may answer nothing before the process ends: longer than a lease, so that it ends
    # after others have taken its runs over.
    standstill_seconds: float = Field(30.0, alias="ROLLBACK_STANDSTILL_SECONDS")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: `read_settings` says whose environment that is."""
        return (init_settings,)

    @model_validator(mode="after")
    def _api_url_ends_in_api(self) -> Self:
        if not self.api_url.endswith("/api/"):
            raise ValueError(f"SLACK_API_URL must end in /api/, it is {self.api_url}")
        return self

    @model_validator(mode="after")
    def _http_ends_in_a_port(self) -> Self:
        _, _, port = self.http.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
            raise ValueError(f"ROLLBACK_HTTP must be like 127.0.0.1:3000, it is {self.http}")
        return self

    @field_validator("drain_seconds", mode="before")
    @classmethod
    def _drain_can_be_waited_for(cls, given: Any) -> float:
        advice = "Give less than the time after which your service manager kills."
        return _seconds("ROLLBACK_DRAIN_SECONDS", given, 0.0, DRAIN_AT_MOST_SECONDS, advice)

    @field_validator("standstill_seconds", mode="before")
    @classmethod
    def _standstill_ends(cls, given: Any) -> float:
        bounds = (STANDSTILL_AT_LEAST_SECONDS, STANDSTILL_AT_MOST_SECONDS)
        return _seconds("ROLLBACK_STANDSTILL_SECONDS", given, *bounds, "Leave it out for 30.")

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.http.rpartition(":")
        return host or "127.0.0.1", int(port)

    @property
    def state(self) -> Path:
        return self.state_dir.absolute()

    @property
    def lock(self) -> Path:
        """Held by whoever may be alone here: `serve`, an upgrade of the database."""
        return self.state / "serve.lock"

    @property
    def database(self) -> str:
        """The URL, with its password: not for logs."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.state / 'rollback.db'}"

    @property
    def front_key(self) -> Path:
        """Signs what people said; made in the state folder when none is given."""
        return self.signing_key or self.state / "front.key"

    @property
    def worker_key(self) -> Path:
        """Returns the key that the workers of a zone share; made in the state folder when none is given."""
        return self.worker_key_file or self.state / "worker.key"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Whatever must never be printed."""
        tokens = (self.bot_token, self.app_token, self.signing_secret, self.read_token)
        told = [token.get_secret_value() for token in tokens if token]
        password = urlsplit(self.database).password
        return (*told, password) if password else tuple(told)

    def why_not_serve(self, role: Role = Role.ALL) -> str | None:
        """Says what is missing before this role can do its work; None: nothing."""
        if role is not Role.ALL and self.database.startswith("sqlite"):
            return (
                f"--role {role} needs a database that several processes share. Set ROLLBACK_DATABASE_URL to "
                "postgresql+psycopg://…, or serve with --role all."
            )
        if role is Role.WORKER:
            return self._why_not_work()
        if self.bot_token is None:
            return "SLACK_BOT_TOKEN is not set. Install the app from manifest.yml and copy its bot token."
        if self.app_token is None and self.signing_secret is None:
            return (
                "Neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP) is set. "
                "Set one of them, or both."
            )
        return None

    def _why_not_work(self) -> str | None:
        if self.read_token is None:
            return (
                "SLACK_READ_TOKEN is not set. A worker reads again who may approve: give it a token with "
                "users:read and usergroups:read."
            )
        if self.front_keys is None:
            return (
                "ROLLBACK_FRONT_KEYS_FILE is not set. Give the file with the public keys of the fronts whose "
                "decisions this worker may carry out."
            )
        return None


def _seconds(name: str, given: Any, least: float, most: float, advice: str) -> float:
    """Raises ValueError with the sentence that is shown."""
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not least <= seconds <= most:
        said = f"{name} must be a number of seconds from {least:.0f} to {most:.0f}, it is {given}"
        raise ValueError(f"{said}. {advice}")
    return seconds


def read_settings(environ: Mapping[str, str] | None = None) -> ProcessSettings:
    """Raises ConfigurationError."""
    environ = os.environ if environ is None else environ
    problems = []
    for name in SECRETS:
        path = environ.get(f"{name}_FILE")
        if path and name not in environ:
            try:
                environ = {**environ, name: Path(path).read_text().strip()}
            except OSError as problem:
                problems.append(f"{name}_FILE: {problem.strerror}: {path}. Give the path of a readable file.")
    if problems:
        raise ConfigurationError(tuple(problems))
    names = {field.alias for field in ProcessSettings.model_fields.values()}
    known = {name: value for name, value in environ.items() if name in names and value}  # empty: not set
    try:
        return ProcessSettings.model_validate(known)
    except ValidationError as problem:
        # the messages alone: with them stands the input, and in that the tokens
        said = tuple(error["msg"].removeprefix("Value error, ") for error in problem.errors())
        raise ConfigurationError(said) from None
