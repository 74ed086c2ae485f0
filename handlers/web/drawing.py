"""Templates to answers, and the headers that every answer carries. What stands on a page is for others.

Pages are plain HTML and one inline stylesheet: no script, nothing fetched from anywhere.
"""

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from markupsafe import Markup

from bot.canonical_json import iso
from bot.views.limits import clean
from bot.views.words import clock_seconds

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def draw(template: str, *, status: int = 200, **values: Any) -> web.Response:
    text = _environment().get_template(template).render(style=Markup(_style()), **values)  # noqa: S704 - our file
    return web.Response(text=text, status=status, content_type="text/html")


def missing() -> web.Response:
    """Draws the same bytes for a run that does not exist and for whoever may not read one that does."""
    return draw("missing.html", status=404)


async def protect(_: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer, errors included."""
    response.headers.update(_headers())


@cache
def _headers() -> dict[str, str]:
    style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    return {
        "Content-Security-Policy": f"{allowed}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",  # a signed link is in the address
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


@cache
def _style() -> str:
    return (TEMPLATES / "page.css").read_text(encoding="utf-8")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here: a start does not wait for it

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable,
    )
    environment.filters.update(moment=moment, day=day, clock=clock_seconds, iso=iso)
    return environment


def _readable(value: object) -> object:
    """Frees each text put in of control and bidi characters. A text that is HTML already stays as it is."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(at: datetime) -> str:
    """`22 Nov 2026 03:06:10`, in UTC: in full, because a page is kept and printed."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M:%S}"


def day(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y}"
