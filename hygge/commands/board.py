"""This is where `doit board` draws the project as a page to look at."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hygge.board.page import page
from hygge.board.server import Server
from hygge.board.view import View
from hygge.commands.reading import JSON_OPTION, Answer, Opened, Reading
from hygge.errors import StoreError, UsageError

DEFAULT_OUTPUT = ".hygge/board.html"
"""Where the page goes if nothing else is said; not in git."""

DEFAULT_PORT = 4711
"""Where `--serve` listens if nothing else is said."""


class Board(Reading):
    """Draws what was decided; moves nothing, takes no lock."""

    _server: Server | None = None

    name = "board"
    doc_purpose = "draw the project as a page: flows, partitions, receipts, last runs"
    doc_usage = ""
    cmd_options = (
        {
            "name": "output",
            "short": "o",
            "long": "output",
            "type": str,
            "default": "",
            "help": f"write the page to this file [default: {DEFAULT_OUTPUT}]",
        },
        {
            "name": "open",
            "long": "open",
            "type": bool,
            "default": False,
            "help": "open the page in the browser",
        },
        {
            "name": "serve",
            "long": "serve",
            "type": bool,
            "default": False,
            "help": "serve the page on this machine, refreshed while a run goes on, until Ctrl-C",
        },
        {
            "name": "port",
            "long": "port",
            "type": int,
            "default": DEFAULT_PORT,
            "help": "where to serve, 0 for any that is free [default: %(default)s]",
        },
        JSON_OPTION,
    )

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Write or serve the page; return an exit code, 0 for a Ctrl-C that ends serving."""
        code = super().execute(params, args)
        server = self._server
        if server is not None and not code:
            server.serve()
        return code

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return where the page is and what it shows in short."""
        if names:
            hint = f"the page shows the whole project; to choose the file: -o {names[0]}"
            raise UsageError(f"board takes no names: '{' '.join(names)}'", hint=hint)
        if params["serve"] and params["output"]:
            what = "--serve writes no file"
            raise UsageError(what, hint="leave out --output, or call doit board twice")
        view = View(opened.project.root, opened.state.name, opened.coordinator.options)
        shown = view.board()
        told = self._serve(view, params) if params["serve"] else self._write(view, params)
        if params["open"]:
            webbrowser.open(str(told["url"]))
        data = {
            **told,
            "flows": len(shown.cards),
            "broken": len(shown.broken),
            "partitions": dict(shown.counts),
            "runs": len(shown.bars),
        }
        return Answer(data, _lines(told), shown.status, 0, shown.broken)

    def _serve(self, view: View, params: Any) -> dict[str, Any]:
        self._server = Server(view, params["port"])
        return {"path": None, "url": self._server.url, "size_bytes": None}

    def _write(self, view: View, params: Any) -> dict[str, Any]:
        path = params["output"] or DEFAULT_OUTPUT
        file = Path(path)
        content = page(view.board()).encode("utf-8")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except OSError as error:
            what = f"the page can't be written: {error.strerror}"
            raise StoreError(what, path, "choose another file: doit board -o FILE") from error
        return {"path": path, "url": file.resolve().as_uri(), "size_bytes": len(content)}


def _lines(told: dict[str, Any]) -> Iterator[str]:
    if told["path"] is not None:
        yield str(told["path"])
    else:
        yield f"{told['url']}  Ctrl-C ends it"
