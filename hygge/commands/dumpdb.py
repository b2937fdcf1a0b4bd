"""This is where `doit dumpdb` shows what is remembered."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import doit.cmd_dumpdb

from hygge.state import State

HEADER = b"SQLite format 3\x00"


class DumpDB(doit.cmd_dumpdb.DumpDB):  # type: ignore[misc]
    """doit's ``dumpdb``, which knows no SQLite."""

    name = "dumpdb"

    def execute(self, opt_values: Any, pos_args: list[str]) -> None:
        """Write one line for each task, sorted."""
        file = Path(opt_values["dep_file"])
        try:
            ours = file.open("rb").read(len(HEADER)) == HEADER
        except FileNotFoundError:
            sys.stdout.write(f"nothing is remembered: there is no '{file}'\n")
            return
        if not ours:
            super().execute(opt_values, pos_args)
            return
        for task, row in sorted(State(str(file)).all_rows().items()):
            sys.stdout.write(f"{task} -> {json.dumps(row, ensure_ascii=False)}\n")
