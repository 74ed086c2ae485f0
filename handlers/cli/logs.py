"""Logs: one JSON line an event, or words for a terminal. Secrets are struck out whatever wrote them."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

TOKENS = re.compile(r"xox[a-z]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----")


class _Strike:
    """A processor that replaces secrets in every text of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 6)

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = self.struck(value)
        return event

    def struck(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return TOKENS.sub("***", text)


def set_up(form: str, secrets: Iterable[str] = ()) -> None:
    """`form`: json or text. Everything goes to standard error; data alone goes to standard output."""
    strike = _Strike(secrets)
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the pretty one prints secrets too
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            strike,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _redirect_libraries(strike)


def _redirect_libraries(strike: _Strike) -> None:
    """Libraries log warnings only, one line each, through the same strike."""

    class Redirect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if is_bad_http(record):
                return
            log = structlog.get_logger(record.name)
            log.log(record.levelno, strike.struck(record.getMessage()))

    root = logging.getLogger()
    root.handlers = [Redirect()]
    root.setLevel(logging.WARNING)
    # it logs every lost connection with a traceback; our watchdog says the same in one line
    logging.getLogger("slack_sdk.socket_mode.aiohttp").setLevel(logging.CRITICAL)


def is_bad_http(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are an error with a traceback to aiohttp: any stranger could fill our log so."""
    return record.exc_info is not None and isinstance(
        record.exc_info[1], HttpProcessingError | RequestPayloadError
    )
