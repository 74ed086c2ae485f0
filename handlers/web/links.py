"""Links to a page for people who are elsewhere: signed, good for 15 minutes, for one page and one person.

Whether such a link may be used at all, and by whom still, is for `readers`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.canonical_json import canonical

GOOD_FOR = timedelta(minutes=15)
PURPOSE = b"rollback-bot: links to pages, 2"  # another purpose or version is another key


@dataclass(frozen=True, slots=True)
class Links:
    key: bytes = field(repr=False)

    def make(self, path: str, person: str, now: datetime) -> str:
        """Returns path and query. `path`: of the page, as `/runs/RB-42`; `person`: a Slack user id."""
        until = int((now + GOOD_FOR).timestamp())
        query = {"person": person, "until": until, "proof": self._proof(path, person, until)}
        return f"{path}?{urlencode(query)}"

    def why_not(self, path: str, query: Mapping[str, str], now: datetime) -> str | None:
        """`query` as it came with the request. None: this link was made for `query["person"]` and is good."""
        person, until, proof = (query.get(name, "") for name in ("person", "until", "proof"))
        if not (until.isascii() and until.isdigit() and len(until) <= 12):
            return "the link is not one of ours"
        expected = self._proof(path, person, int(until))
        if not hmac.compare_digest(expected.encode(), proof.encode("utf-8", "replace")):
            return "the link is not one of ours"
        return "the link is over" if now.timestamp() >= int(until) else None

    def _proof(self, path: str, person: str, until: int) -> str:
        said = {"page": path, "person": person, "until": until}
        return hmac.new(self.key, canonical(said), hashlib.sha256).hexdigest()


def links_from(front_key: Path) -> Links:
    """Derives the key from the front's: every front of one installation makes and knows the same links."""
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return Links(kdf.derive(front_key.read_bytes()))
