"""Signed HTTP: payloads as POSTs to the bot's request URL, with Slack's v0 signature over the raw body."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import aiohttp

from workspace.slack.transport import Carried, Envelope
from workspace.slack.wire import Json

FORM: Final = "application/x-www-form-urlencoded"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def signed_headers(secret: str, body: bytes, at: float) -> dict[str, str]:
    timestamp = str(int(at))
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature(secret, timestamp, body)}


def encoded(envelope: Envelope) -> tuple[str, bytes]:
    """Content type and body: commands as a form, interactions as `payload=` in a form, events as JSON."""
    match envelope.kind:
        case "slash_commands":
            return FORM, urlencode(envelope.payload).encode()
        case "interactive":
            return FORM, urlencode({"payload": json.dumps(envelope.payload)}).encode()
        case "events_api":
            return "application/json", json.dumps(envelope.payload).encode()


class SignedHttp:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        request_url: str,
        secret: str,
        clock: Callable[[], float],
        ack_timeout: float,
    ) -> None:
        self._session = session
        self._url = request_url
        self._secret = secret
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=ack_timeout)

    async def carry(self, envelope: Envelope) -> Carried:
        content_type, body = encoded(envelope)
        headers = signed_headers(self._secret, body, self._clock())
        headers |= {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }
        if envelope.attempt:
            headers |= {
                "X-Slack-Retry-Num": str(envelope.attempt),
                "X-Slack-Retry-Reason": envelope.reason or "",
            }
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout
            ) as answer:
                return _carried(answer, await answer.read())
        except TimeoutError:
            return Carried(False, error="http_timeout")
        except aiohttp.ClientError:
            return Carried(False, error="connection_failed")


def _carried(answer: aiohttp.ClientResponse, body: bytes) -> Carried:
    no_retry = answer.headers.get("X-Slack-No-Retry") == "1"
    if not 200 <= answer.status < 300:
        return Carried(False, status=answer.status, error="http_error", no_retry=no_retry)
    return Carried(True, body=_parsed(answer.content_type, body), status=answer.status)


def _parsed(content_type: str, body: bytes) -> Json | None:
    if not body:
        return None
    text = body.decode(errors="replace")
    if content_type != "application/json":
        return {"text": text}
    parsed = json.loads(text)
    return parsed if isinstance(parsed, dict) else None
