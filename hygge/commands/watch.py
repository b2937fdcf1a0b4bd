"""This is where `doit watch` keeps every store up to date while people work."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from hygge.commands.telling import Entering, told
from hygge.errors import UsageError
from hygge.project import find_root
from hygge.redaction import register_environment
from hygge.watching import watch

DEBOUNCE = 300
"""Milliseconds, where the command line says nothing."""

LONGEST = 60_000
"""Milliseconds; who wants to wait longer wants no watch."""

PASSED_ON = {"reporter": "--reporter={}", "num_process": "--process={}"}
"""Options with a value that each run is given."""


class Watch(Entering, Command):  # type: ignore[misc]
    """Runs once, then whenever something is stale, until it is told to stop."""

    name = "watch"
    doc_purpose = "run, and run again whenever a saved file makes something stale"
    doc_usage = "[FLOW|TASK|PATTERN ...]"
    doc_description = None
    cmd_options = (
        {
            "name": "debounce",
            "long": "debounce",
            "type": int,
            "default": DEBOUNCE,
            "metavar": "MS",
            "help": "milliseconds without a change before a run [default: %(default)s]",
        },
        {
            "name": "continue",
            "short": "c",
            "long": "continue",
            "type": bool,
            "default": False,
            "help": "let each run go on after a failure [default: %(default)s]",
        },
        {
            "name": "num_process",
            "short": "n",
            "long": "process",
            "type": int,
            "default": 0,
            "help": "partitions that a run moves at a time",
        },
        {
            "name": "reporter",
            "short": "r",
            "long": "reporter",
            "type": str,
            "default": "",
            "help": "how each run shows what it does",
        },
    )

    def execute(self, opt_values: Any, pos_args: list[str]) -> int | None:
        """Watch; return an exit code."""
        return told(functools.partial(self._watch, opt_values, pos_args))

    def _watch(self, params: Any, names: list[str]) -> int:
        """Watch until a signal comes.

        Raises:
            HyggeError: Nothing was started.
        """
        if importlib.util.find_spec("watchfiles") is None:
            hint = "install it: pip install 'hygge-data[watch]'"
            raise UsageError("watching needs the package watchfiles", hint=hint)
        if not 0 <= params["debounce"] <= LONGEST:
            what = f"a debounce of {params['debounce']} milliseconds"
            raise UsageError(what, "--debounce", f"take one from 0 to {LONGEST:,}")
        for name in names:
            if name.startswith("-"):
                hint = "options stand before names: doit watch --debounce=100 flights"
                raise UsageError(f"no task '{name}'", hint=hint)
        register_environment()
        asked = watch.Asked(
            names,
            [*_passed_on(params)],
            params["debounce"] / 1000,
            [os.path.basename(sys.argv[0]), *sys.argv[1:]],
        )
        return 128 + watch.Watch(find_root(Path.cwd()), asked).keep_up()


def _passed_on(params: Any) -> Iterator[str]:
    if params["continue"]:
        yield "--continue"
    for name, form in PASSED_ON.items():
        if params[name]:
            yield form.format(params[name])
