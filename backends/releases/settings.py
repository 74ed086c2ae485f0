"""Settings of release folders behind a symlink."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from backends.marker import FOLDER
from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Text, Value
from bot.times import zone_of

NO_NAMES: Final = {"", ".", "..", FOLDER}  # the last is the bot's own folder


def _below(path: str) -> str:
    """Refuses what could lead out of a release."""
    path = path.rstrip("/")
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise PydanticCustomError("ignored", "must be a path below the release folder, such as var/cache")
    return path


def _beside(name: str) -> str:
    """Refuses what is not one name straight in `root`."""
    if "/" in name or not name.isprintable() or name in NO_NAMES:
        raise PydanticCustomError("name", "must be one name in `root`, without a slash, such as current")
    return name


def _zone(name: str) -> str:
    if zone_of(name) is None:
        raise PydanticCustomError("zone", "must be a time zone such as Europe/Berlin")
    return name


class ReleasesSettings(ExecutorSettings):
    """Release folders behind a symlink: root/releases/<id>/ and root/current."""

    type: Literal["releases"]
    root: Value
    """The folder that holds `releases` and `current`."""
    link: Annotated[Text, AfterValidator(_beside)] = "current"
    """The name of the link in `root` that says which release is live."""
    releases: Annotated[Text, AfterValidator(_beside)] = "releases"
    """The name of the folder in `root` that holds the releases."""
    ignore: tuple[Annotated[Text, AfterValidator(_below)], ...] = ()
    """Paths below a release folder that the release writes itself. They are not compared."""
    names_zone: Annotated[Text, AfterValidator(_zone)] = "UTC"
    """The time zone of names such as 20261101120000."""
