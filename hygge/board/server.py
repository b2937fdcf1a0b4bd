"""This is where the board is handed to a browser on this machine, and to nobody else."""

from __future__ import annotations

import contextlib
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hygge.board.data import Board
from hygge.board.page import data, page
from hygge.board.view import View
from hygge.errors import HyggeError, UsageError
from hygge.fingerprint import text_hash
from hygge.redaction import hide

ADDRESS = "127.0.0.1"
"""Where it listens: other machines can't reach it."""

NAMES = (ADDRESS, "localhost")
"""Under which it may be asked for. A page from elsewhere whose name leads here has another."""

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server:
    """Serves one project's board until it is interrupted.

    Raises:
        UsageError: Nothing can listen at *port*.
    """

    def __init__(self, view: View, port: int) -> None:
        self._answers = Answers(view)
        try:
            self._server = ThreadingHTTPServer((ADDRESS, port), self._handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            what = f"the page can't be served at port {port}: {why}"
            raise UsageError(what, hint="let any port do: doit board --serve --port 0") from error

    def _handler(self, *args: Any) -> BaseHTTPRequestHandler:
        return _Handler(self._answers, self.port, *args)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        """What to type into a browser."""
        return f"http://{ADDRESS}:{self.port}/"

    def serve(self) -> None:
        """Answer until a Ctrl-C, which is how it is meant to end."""
        with self._server, contextlib.suppress(KeyboardInterrupt):
            self._server.serve_forever()

    def stop(self) -> None:
        """End `serve`, which another thread is in."""
        self._server.shutdown()


class Answers:
    """What is answered, made once for each look at the project."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._made: tuple[Board, str, str] | None = None

    def page(self) -> str:
        """Return the page.

        Raises:
            HyggeError: Nothing can be told of the project.
        """
        return page(self._view.board(), live=True)

    def data(self) -> tuple[str, str]:
        """Return the newest data, or what is wrong, in JSON; and the tag of its version."""
        try:
            board = self._view.board()
        except HyggeError as error:
            text = json.dumps({"error": f"This can't be refreshed: {hide(str(error))}"})
            return text, _tag(text)
        made = self._made
        if made is None or made[0] is not board:
            text = json.dumps({"data": data(board)})
            made = self._made = (board, text, _tag(text))
        return made[1], made[2]


def _tag(text: str) -> str:
    return f'"{text_hash(text)}"'


class _Handler(BaseHTTPRequestHandler):
    server_version = "hygge"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def __init__(self, answers: Answers, port: int, *args: Any) -> None:
        self._answers = answers
        self._hosts = {f"{name}:{port}" for name in NAMES}
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer one request; a browser that is gone by then does not matter."""
        with contextlib.suppress(ConnectionError):
            self._answer()

    do_HEAD = do_GET  # noqa: N815 - called by http.server

    def _answer(self) -> None:
        if not self._is_for_us():
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "This board is only served locally.\n")
        elif self.path == "/data":
            self._send_data()
        elif self.path == "/":
            self._send_page()
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "There is only the board, at /.\n")

    def _is_for_us(self) -> bool:
        """Tell whether the request was meant for this server, not for a name that leads here."""
        origins = {None, *(f"http://{host}" for host in self._hosts)}
        return self.headers.get("Host") in self._hosts and self.headers.get("Origin") in origins

    def _send_page(self) -> None:
        try:
            self._send(HTTPStatus.OK, "text/html", self._answers.page())
        except HyggeError as error:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"error: {hide(str(error))}\n")

    def _send_data(self) -> None:
        text, tag = self._answers.data()
        if self.headers.get("If-None-Match") == tag:
            self._send(HTTPStatus.NOT_MODIFIED, "application/json", "", tag)
        else:
            self._send(HTTPStatus.OK, "application/json", text, tag)

    def _send(self, status: HTTPStatus, kind: str, text: str, tag: str = "") -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if tag:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
        """Say nothing: whoever typed the command waits for a Ctrl-C, not for a log."""
