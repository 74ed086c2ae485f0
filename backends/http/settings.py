"""Settings of a look at an address."""

from typing import Annotated, Literal

from pydantic import Field

from bot.configuration.settings import CheckSettings
from bot.configuration.values import Value


class HttpCheckSettings(CheckSettings):
    type: Literal["http"]
    url: Value
    status: Annotated[int, Field(strict=True, ge=100, le=599)] = 200
    contains: Value | None = None
    """Text that the body must hold."""
