"""Names the cause when a request has no answer that could be judged.

The text of an error is left out: it may repeat the address, a header, or what the service has sent. A cause
is *failed* where it says something about the service, and *inconclusive* where it says that nobody could
look; the rule stands in `check`.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientResponseError,
    ClientSSLError,
    NonHttpUrlClientError,
    ServerDisconnectedError,
)
from yarl import URL

from bot.model import Verdict


class Cause(NamedTuple):
    verdict: Verdict
    words: str
    value: str | None = None  # of the finding; None: nothing was seen


# The numbers are those of OpenSSL: X509_V_ERR_…, in its x509_vfy.h.
CERTIFICATES: Final[Mapping[int, str]] = {
    9: "it is not valid yet. Look at its dates, and at the clock here",
    10: "it has expired. Renew it",
    18: "self-signed, and nobody here vouches for it. Name its file in `ca` if it is meant to be",
    19: "the authority at its end is not known here. Name that authority's file in `ca`",
    20: "the authority that signed it is not known here. Name that authority's file in `ca`",
    21: "the authority that signed it is not known here. Name that authority's file in `ca`",
    62: "it is made out to another host name. Give the service a certificate for this one",
    64: "it is made out to another host. Give the service a certificate for this address",
}
# Reasons of OpenSSL for bytes that are no record of TLS; they differ from version to version.
NO_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNEXPECTED_MESSAGE",
        "UNKNOWN_PROTOCOL",
    }
)
RESET: Final = frozenset({errno.ECONNRESET, errno.EPIPE})
HUNG_UP: Final = frozenset({"UNEXPECTED_EOF_WHILE_READING"})

PLAIN_INSTEAD: Final = Cause(
    Verdict.FAILED,
    "https:// was asked, and what answers speaks no TLS. Write http:// in `url` if that is meant",
    "no TLS",
)
TLS_INSTEAD: Final = Cause(
    Verdict.FAILED, "http:// was asked, and it speaks TLS. Write https:// in `url`", "TLS"
)
NO_ANSWER: Final = Cause(Verdict.INCONCLUSIVE, "it closed the connection without an answer")
NOWHERE: Final = Cause(Verdict.FAILED, "it redirects to an address that cannot be used", "redirect")
NO_ADDRESS: Final = Cause(
    Verdict.INCONCLUSIVE,
    "the address cannot be used. Mend what `url` leads to: http:// or https:// and a host",
)


def cause_of(error: Exception) -> Cause:
    match error:
        case ClientConnectorCertificateError():
            words = f"its certificate is not trusted: {_why_not_trusted(error.certificate_error)}"
            return Cause(Verdict.FAILED, words, "bad certificate")
        case ClientSSLError():
            return _no_encryption(error.os_error)
        case ClientConnectorError():
            return Cause(Verdict.INCONCLUSIVE, f"no connection: {_why_no_connection(error.os_error)}")
        case ClientResponseError():
            return Cause(Verdict.FAILED, "its answer is broken: it cannot be read as HTTP", "no HTTP")
        case ServerDisconnectedError() | ConnectionError():
            return NO_ANSWER
        case NonHttpUrlClientError() | ValueError():
            return NO_ADDRESS
        case OSError() if error.errno in RESET:
            return NO_ANSWER
        case OSError() if error.errno:
            return Cause(Verdict.INCONCLUSIVE, f"no answer: {os.strerror(error.errno)}")
    return Cause(Verdict.INCONCLUSIVE, f"no answer: {type(error).__name__}")


async def speaks_tls(url: URL) -> bool:
    """Returns whether a handshake comes about there. Nobody is believed by it, and nothing more is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    except (OSError, ValueError):
        return False
    writer.transport.abort()
    return True


def _why_not_trusted(error: Exception) -> str:
    cause = CERTIFICATES.get(getattr(error, "verify_code", 0))
    return cause or str(getattr(error, "verify_message", "")) or type(error).__name__


def _no_encryption(error: OSError) -> Cause:
    reason = str(getattr(error, "reason", None) or "")  # of OpenSSL: words in capitals, nothing that was sent
    if reason in NO_TLS:
        return PLAIN_INSTEAD
    if reason in HUNG_UP or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return NO_ANSWER
    why = reason.replace("_", " ").lower() or type(error).__name__
    return Cause(Verdict.FAILED, f"no encrypted connection can be made: {why}", "no encryption")


def _why_no_connection(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        is_known_to_nobody = error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        return (
            "the name of the host is not known"
            if is_known_to_nobody
            else "the name of the host cannot be looked up now"
        )
    if isinstance(error, ConnectionResetError):
        return "it was closed before it could be encrypted"
    return os.strerror(error.errno) if error.errno else type(error).__name__
