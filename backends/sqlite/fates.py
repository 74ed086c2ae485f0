"""What became of an operation: its marker says what was meant, the backups and the database what is there."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

from backends.file_digests import DIGESTS
from backends.marker import FOLDER, Marker, MarkerStage
from backends.sqlite.backups import file_of, id_of
from backends.sqlite.beside import COPIES, fate_of_copying
from backends.sqlite.dropping import DROPS, fate_of_dropping
from backends.sqlite.reading import identity, version
from backends.sqlite.replacing import fate_of_replacing, is_of_replacing
from backends.sqlite.saving import HOLDS, SAVES
from bot.contract import Fate, Found
from bot.model import Left, RestorePoint

RENEWED: Final = "Its undo point was saved anew, with what was written since."


class Fates:
    def __init__(
        self,
        database: Path,
        backups: Path,
        points: Callable[[], tuple[RestorePoint, ...]],
        reading: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        """`points`: those that are there now. `reading`: opens the live database."""
        self._database = database
        self._backups = backups
        self._points = points
        self._reading = reading

    def of(self, marker: Marker) -> Found:
        match marker.stage:
            case MarkerStage.FAILED:
                return Found(Fate.FAILED, marker.words, left=Left.BEFORE)
            case _ if COPIES in marker.facts:
                return fate_of_copying(marker, self._backups / FOLDER, self._database)
            case _ if DROPS in marker.facts:
                return fate_of_dropping(marker, self._backups)
            case _ if "schema" not in marker.facts and SAVES in marker.facts:
                return self._of_saving(marker)
            case MarkerStage.TAKEN:
                return Found(Fate.ABSENT, "It was taken, but the copy was never finished.")
            case _ if is_of_replacing(marker):
                return self._of_replacing(marker)
            case MarkerStage.CLOSING | MarkerStage.DONE:
                return self._in_the_world(marker)

    def _of_saving(self, marker: Marker) -> Found:
        """A name proves nothing: done is what holds what was saved."""
        saved = self._saved(marker)
        if saved is not None:
            return Found(Fate.DONE, f"{saved.id} is saved.", left=Left.BEFORE, made=saved)
        name = id_of(str(marker.facts[SAVES]))
        if marker.stage is MarkerStage.DONE:
            return Found(Fate.FAILED, f"{name} is gone, or holds something else now.", left=Left.BEFORE)
        return Found(Fate.ABSENT, f"{name} was never finished.")

    def _saved(self, marker: Marker) -> RestorePoint | None:
        """Returns the undo point of a marker, with its content; None: it has none that is there."""
        name, holds = str(marker.facts.get(SAVES, "")), str(marker.facts.get(HOLDS, ""))
        point = next((point for point in self._points() if self._file(point).name == name), None)
        if point is None or marker.stage is MarkerStage.TAKEN:
            return None
        content = DIGESTS.of(self._file(point))
        if not holds:  # an earlier version noted none, and only that it was done
            return point if marker.stage is MarkerStage.DONE else None
        return replace(point, fingerprint=content) if content == holds else None

    def _file(self, point: RestorePoint) -> Path:
        return file_of(self._backups, point.id)

    def _of_replacing(self, marker: Marker) -> Found:
        found = fate_of_replacing(marker, self._database)
        made = self._saved(marker) if found.fate is Fate.DONE else None
        return replace(found, words=f"{found.words} {RENEWED}", made=made) if made else found

    def _in_the_world(self, marker: Marker) -> Found:
        """The backup API raises the schema version by exactly one, in the transaction of the copy."""
        with self._reading() as live:
            moved = version(live) - int(marker.facts["version"])
            schema_now = identity(live)
        if moved == 0 and marker.stage is MarkerStage.CLOSING:
            return Found(Fate.ABSENT, "The copy was not finished.")
        if moved == 1 and schema_now == marker.facts["schema"]:
            made = self._saved(marker)
            return Found(Fate.DONE, f"{marker.point} is live.{' ' + RENEWED if made else ''}", made=made)
        if marker.stage is MarkerStage.DONE:
            return Found(Fate.OVERTAKEN, f"{marker.point} was live; the schema was changed again since.")
        return Found(Fate.UNKNOWN, "The copy was nearly finished, and the schema was changed since.")
