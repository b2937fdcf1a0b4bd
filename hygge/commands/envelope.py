"""This is where every command answers programs: in one form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hygge import redaction
from hygge.errors import HyggeError

SCHEMA_VERSION = 1
"""Version of the envelope; raised when a key of it changes its meaning or goes."""

JSON_OPTION: Mapping[str, Any] = {
    "name": "json",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "answer in JSON, for programs",
}


@dataclass(frozen=True)
class Answer:
    """What a command has to say."""

    data: Mapping[str, Any]
    """For programs: what JSON can hold."""
    lines: Iterable[str] = ()
    """For people, without line breaks; may be made while they are written."""
    status: str = "ok"
    """One word for programs: ``ok``, ``stale``, ``failed`` or ``error``."""
    code: int = 0
    """Exit code."""
    problems: Sequence[HyggeError] = ()
    """What a person should mend; told on stderr."""


def envelope(command: str, answer: Answer) -> str:
    """Return *answer* as the one form that every command answers programs in."""
    return json.dumps(
        redaction.hide_in(
            {
                "schema_version": SCHEMA_VERSION,
                "command": command,
                "status": answer.status,
                "data": answer.data,
                "diagnostics": [diagnostic(error) for error in answer.problems],
            }
        ),
        ensure_ascii=False,
        indent=2,
    )


def diagnostic(error: HyggeError) -> dict[str, Any]:
    """Return *error* for programs; file, line and column are null where they are not known."""
    place = error.place
    return {
        "severity": "error",
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "hint": error.hint,
        "file": place[0] if place else None,
        "line": place[1] if place else None,
        "column": place[2] if place else None,
    }
