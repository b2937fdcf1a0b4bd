"""This is where a board becomes one HTML file that needs nothing else, least of all a network."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources

from hygge.board.data import Board
from hygge.board.packed import shown, smallest
from hygge.redaction import hide

LARGEST = 500_000
"""Bytes that a page has at most, as long as leaving out details of receipts can achieve it."""

SCRIPTS = (
    "model.js",
    "words.js",
    "graph.js",
    "grid.js",
    "panel.js",
    "runs.js",
    "summary.js",
    "live.js",
    "main.js",
)
"""Parts of the page's one script, in order."""


def page(board: Board, live: bool = False) -> str:
    """Return the HTML.

    Args:
        live: Whether whoever serves the page can be asked for newer data.
    """
    parts = _parts(board.project, live)
    room = LARGEST - len(parts[0].encode()) - len(parts[1].encode())
    data = smallest(shown(board), lambda text: len(text) <= room)
    return f"{parts[0]}{data}{parts[1]}"


def data(board: Board) -> str:
    """Return what a live page asks for: what stands in it, made anew."""
    return smallest(shown(board), lambda text: len(text) <= LARGEST)


def _parts(project: str, live: bool) -> tuple[str, str]:
    """Return what stands before the data, and what behind."""
    style, script = _style(), "\n".join(map(_asset, SCRIPTS))
    values = {
        "title": html.escape(hide(project).encode("utf-8", "replace").decode()),
        "policy": html.escape(policy(style, script, live)),
        "style": style,
        "script": script,
        "live": "live" if live else "still",
    }
    text = _asset("board.html")
    for name, value in values.items():
        text = text.replace(f"<!--{name}-->", value)
    before, _, after = text.partition("<!--data-->")
    return before, after


def policy(style: str, script: str, live: bool) -> str:
    """Return what the browser lets the page do: run its own script, and ask nobody but its server.

    So not even a mistake in the page can send anything anywhere.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}",
            "connect-src 'self'" if live else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style() -> str:
    """Return the style; its dark colours stand twice: chosen here, and chosen by the system."""
    dark = _asset("dark.css")
    chosen = f':root[data-theme="dark"] {{\n{dark}\n}}'
    asked = f':root:not([data-theme="light"]) {{\n{dark}\n}}'
    both = f"{chosen}\n@media (prefers-color-scheme: dark) {{\n{asked}\n}}"
    return _asset("board.css").replace("/*dark*/", both)


def _asset(name: str) -> str:
    return (
        resources.files("hygge.board").joinpath("assets", name).read_text(encoding="utf-8").strip()
    )
