"""This is where `doit schema` writes the JSON Schemas of what people write and programs read."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from hygge import schema
from hygge.commands.telling import Entering, told
from hygge.errors import UsageError, did_you_mean

NAMES = ("flow", "project", "event", "manifest", "answer")


class Schema(Entering, Command):  # type: ignore[misc]
    """Prints a schema, or writes it to a file."""

    name = "schema"
    doc_purpose = "write a JSON Schema: of what you write, for editors, or of what hygge writes"
    doc_usage = "[flow|project|event|manifest|answer]"
    doc_description = None
    cmd_options = (
        {
            "name": "output",
            "short": "o",
            "long": "output",
            "type": str,
            "default": "",
            "help": "write to this file instead of standard output",
        },
    )

    def execute(self, opt_values: Any, pos_args: list[str]) -> int | None:
        """Write the schema; return an exit code."""
        return told(functools.partial(self._write, opt_values["output"], pos_args))

    def _write(self, file: str, names: list[str]) -> int:
        name = names[0] if names else "flow"
        if name not in NAMES or len(names) > 1:
            raise UsageError(f"no schema '{' '.join(names)}'", hint=did_you_mean(name, NAMES))
        text = json.dumps(schema.composed(name), indent=2, ensure_ascii=False) + "\n"
        if file:
            Path(file).write_text(text, encoding="utf-8")
        else:
            sys.stdout.write(text)
        return 0
