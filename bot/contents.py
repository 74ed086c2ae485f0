"""Names what tables hold, as a check or a backend has counted it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table."""

    count: int
    hash: str  # of all of them in any order, in hexadecimal


@dataclass(frozen=True, slots=True)
class Contents:
    """Several tables as they were seen at once."""

    tables: Mapping[str, Rows]  # by name
    schema: str  # hash of their definitions, in hexadecimal
