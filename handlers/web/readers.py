"""Who may read a page. Deny by default; whoever may not is told what is told of a page that does not exist.

Two ways in: a browser on this machine that speaks to us directly, and a signed link (`links`) in the
hands of the person it was made for. The first is no proof against a proxy that hides itself: a proxy in
front of this bot has to send X-Forwarded-For, as every common one does when told to forward.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from bot.errors import TemporaryError
from handlers.access import OpenTo, why_not
from handlers.context import Context
from handlers.web.drawing import missing
from handlers.web.route_state import FRONT

log = structlog.get_logger()

THIS_MACHINE = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)  # a Host
PROXIES_SAY = (  # one of them present: somebody else is behind the peer
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
)


@dataclass(frozen=True, slots=True)
class Reader:
    person: str | None  # Slack user id; None: somebody on this machine, who may read every run


READER = web.RequestKey("reader", Reader)


async def may_read(request: web.Request) -> web.Response | None:
    """The gate of pages."""
    if (why_not_local := why_not_on_this_machine(request.remote, request.headers)) is None:
        request[READER] = Reader(None)
        return None
    why_not = await _why_not_linked(request)
    if why_not is None:
        request[READER] = Reader(request.query["person"])
        return None
    log.info("page refused", why=f"{why_not_local}; {why_not}")
    return missing()


async def not_forwarded(request: web.Request) -> web.Response | None:
    """The gate of the figures: scrapers reach the port itself, the world comes by a proxy."""
    return missing() if forwarded_by(request.headers) else None


def why_not_on_this_machine(peer: str | None, headers: CIMultiDictProxy[str]) -> str | None:
    """`peer` is the address at the other end; None: not known."""
    if peer is None or not _is_loopback(peer):
        return "not from this machine"
    if said := forwarded_by(headers):
        return f"forwarded by a proxy ({said})"
    hosts = headers.getall("Host", [])
    if len(hosts) != 1 or THIS_MACHINE.fullmatch(hosts[0]) is None:
        return "asked for under another host's name"  # a page elsewhere whose name was pointed at us
    return None


def forwarded_by(headers: Mapping[str, str]) -> str | None:
    """The header that gives a proxy away; None: there is none."""
    return next((name for name in PROXIES_SAY if name in headers), None)


def _is_loopback(address: str) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_loopback


async def _why_not_linked(request: web.Request) -> str | None:
    front = request.app[FRONT]
    if front.context.configuration.public_url is None:
        return "no links without a public_url"
    if reason := front.context.links.why_not(request.path, request.query, front.context.clock()):
        return reason
    return await _why_barred(front.context, request.query["person"])


async def _why_barred(context: Context, user_id: str) -> str | None:
    """Fails closed: a person whom Slack does not know now reads nothing."""
    try:
        person = await context.directory.person(user_id)
    except TemporaryError:
        return "Slack does not say who it was made for"
    return why_not(OpenTo.MEMBER, person)
