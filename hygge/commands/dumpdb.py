"""This is where `doit dumpdb` shows what is remembered."""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import doit.cmd_dumpdb

from hygge.commands.reading import JSON_OPTION, Answer, envelope
from hygge.commands.telling import Telling, told
from hygge.commands.terminal import printable
from hygge.redaction import hide, register_environment
from hygge.state import State
from hygge.state_file import is_state


class DumpDB(Telling, doit.cmd_dumpdb.DumpDB):  # type: ignore[misc]
    """doit's ``dumpdb``, which knows no SQLite."""

    name = "dumpdb"
    cmd_options = (*doit.cmd_dumpdb.DumpDB.cmd_options, JSON_OPTION)

    def execute(self, opt_values: Any, pos_args: list[str]) -> int | None:
        """Write one line for each task, sorted."""
        return told(functools.partial(self._dump, opt_values, pos_args))

    def _dump(self, opt_values: Any, pos_args: list[str]) -> int | None:
        register_environment()
        file = Path(opt_values["dep_file"])
        if opt_values["json"]:
            rows = State(str(file)).all_rows() if is_state(file) else {}
            sys.stdout.write(
                envelope("dumpdb", Answer({"tasks": dict(sorted(rows.items()))})) + "\n"
            )
        elif not file.exists():
            sys.stdout.write(f"nothing is remembered: there is no '{file}'\n")
        elif is_state(file):
            for task, row in sorted(State(str(file)).all_rows().items()):
                line = f"{task} -> {json.dumps(row, ensure_ascii=False)}"
                sys.stdout.write(printable(hide(line)) + "\n")
        else:
            super().execute(opt_values, pos_args)
        return 0
