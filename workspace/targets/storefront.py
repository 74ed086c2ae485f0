"""The storefront: a real HTTP server that renders whatever release `current` points to, on every request.

Run as a program, `storefront.py FOLDER`; prints its port. A release is a folder with `index.html`, a
string.Template, and `shop.json`, its values. `/` answers 503 while FOLDER/maintenance exists; `/healthz`
looks behind it, and says no while FOLDER/payments-down exists.
"""

import json
import sys
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

PAGES = Path(__file__).parent / "shop"
FOLDER = Path(sys.argv[1])


class Broken(Exception):
    """The release cannot be shown, and why."""


def release() -> str:
    return (FOLDER / "current").resolve().name


def render(name: str) -> str:
    try:
        folder = FOLDER / "releases" / name
        values = json.loads((folder / "shop.json").read_text())
        return Template((folder / "index.html").read_text()).substitute(values, release=name)
    except (OSError, ValueError, KeyError) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


def front_page() -> tuple[HTTPStatus, str]:
    name = release()
    if (FOLDER / "maintenance").exists():
        return HTTPStatus.SERVICE_UNAVAILABLE, (PAGES / "maintenance.html").read_text()
    try:
        return HTTPStatus.OK, render(name)
    except Broken as why:
        page = Template((PAGES / "error.html").read_text())
        return HTTPStatus.INTERNAL_SERVER_ERROR, page.substitute(release=escape(name), why=escape(str(why)))


def health() -> tuple[HTTPStatus, str]:
    if (FOLDER / "payments-down").exists():
        return HTTPStatus.INTERNAL_SERVER_ERROR, "the payment provider does not answer\n"
    try:
        render(name := release())
    except Broken as why:
        return HTTPStatus.INTERNAL_SERVER_ERROR, f"{why}\n"
    return HTTPStatus.OK, f"ok {name}\n"


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/":
                self.answer(*front_page(), kind="text/html")
            case "/healthz":
                self.answer(*health(), kind="text/plain")
            case _:
                self.answer(HTTPStatus.NOT_FOUND, "no such page\n", kind="text/plain")

    def answer(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the page and the bot ask several times a second."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    print(server.server_port, flush=True)
    server.serve_forever()
