"""This is where `doit tail` shows what a run writes down, while it does so if that is wanted."""

from __future__ import annotations

import functools
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from doit.cmdparse import CmdOption

from hygge import redaction
from hygge.commands.event_filter import EventFilter
from hygge.commands.event_lines import event_line
from hygge.commands.one_run import OneRun, asked, tell_warnings
from hygge.commands.reading import JSON_OPTION, Answer, Opened, open_project
from hygge.commands.telling import NOTHING_STARTED, tell, told
from hygge.errors import HyggeError, UsageError
from hygge.run_log import ENDS, Follower
from hygge.runs import RunFolder, run_folders

SECONDS_BETWEEN_READS = 0.1

SECONDS_BETWEEN_LOOKS = 0.5
"""How often it is looked whether the run's process is still there."""

LOOKED_AT = 5
"""How many of the last runs may be the one that goes on."""


class Tail(OneRun):
    """Shows the events of a run."""

    name = "tail"
    doc_purpose = "show the events of a run, the last one if none is named"
    doc_usage = "[RUN]"
    cmd_options = (
        {
            "name": "follow",
            "short": "f",
            "long": "follow",
            "type": bool,
            "default": False,
            "help": "go on until the run has ended; wait for one to begin if none goes on",
        },
        {
            "name": "type",
            "long": "type",
            "type": list,
            "default": [],
            "help": "events of this type only, or of all that begin with it: step; may be repeated",
        },
        {
            "name": "step",
            "long": "step",
            "type": list,
            "default": [],
            "help": "events of this flow or partition only, or of a pattern; may be repeated",
        },
        {
            "name": "level",
            "long": "level",
            "type": str,
            "default": "",
            "help": "events of this level or a worse one only: INFO, WARN or ERROR",
        },
        {
            "name": "count",
            "short": "n",
            "long": "count",
            "type": int,
            "default": 0,
            "help": "the last ones only, this many [default: all]",
        },
        JSON_OPTION,
    )

    def get_options(self) -> list[CmdOption]:
        """Return the options; ``-f`` is this command's, not doit's for another dodo.py."""
        options: list[CmdOption] = super().get_options()
        mine = {option["short"] for option in self.cmd_options if "short" in option}
        names = {option["name"] for option in self.cmd_options}
        for option in options:
            if option.short in mine and option.name not in names:
                option.short = ""
        return options

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Write the events; return an exit code."""
        try:
            if params["follow"] and params["json"]:
                return told(functools.partial(self._stream, params, args))
            return super().execute(params, args)
        except KeyboardInterrupt:
            # What was written is still to be handed on, to a reader that may have gone too.
            return told(lambda: 128 + signal.SIGINT)

    def _stream(self, params: Any, args: list[str]) -> int:
        """Write the events that are followed as JSON lines: one envelope would never end."""
        try:
            wanted = _wanted(params)
            self.loader.setup(params)
            batches = _followed(open_project(self.loader, params), args)
            for event in wanted.last(batches, params["count"]):
                line = json.dumps(redaction.hide_in(event), ensure_ascii=False)
                sys.stdout.write(line + "\n")
        except HyggeError as error:
            tell(error)
            return NOTHING_STARTED
        return 0

    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return the events that are asked for."""
        wanted = _wanted(params)
        if params["follow"]:
            batches = _followed(opened, names)
            return Answer({}, map(event_line, wanted.last(batches, params["count"])))
        folder = asked(opened, names)
        record, log = folder.record(), folder.log()
        warnings = list(dict.fromkeys([*record.warnings, *folder.log_warnings(log)]))
        wanted.check_steps(log.events, folder.id)
        events = list(wanted.last([log.events], params["count"]))
        if not params["json"]:
            tell_warnings(warnings)
        data = {
            "run_id": folder.id,
            "status": record.status,
            "warnings": warnings,
            "events": events,
        }
        none = ["No event is such."] if log.events and not events else ()
        return Answer(data, map(event_line, events) if events else none)


def _wanted(params: Any) -> EventFilter:
    if params["count"] < 0:
        raise UsageError(f"-n {params['count']}", hint="how many events to show: doit tail -n 20")
    return EventFilter.of(params["type"], params["step"], params["level"])


def _followed(opened: Opened, names: list[str]) -> Iterator[Iterable[dict[str, Any]]]:
    """Yield the events of a run in batches: what is there, then what comes, until it ends.

    Between two batches it waits; what was written before is handed on then.
    """
    folder = asked(opened, names) if names else _going_on(opened)
    follower = Follower(folder.folder / "events.jsonl")
    looked = 0.0
    goes_on = True
    while True:
        if time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
            goes_on, looked = folder.goes_on(follower.first), time.monotonic()
        # Read after it was looked: what a process wrote before it went is in this batch.
        events = follower.read()
        yield events
        if any(event["type"] in ENDS for event in events):
            break
        if not goes_on:
            tell_warnings([_gone(folder, follower.first)])
            break
        sys.stdout.flush()
        time.sleep(SECONDS_BETWEEN_READS)
    tell_warnings(folder.log_warnings(follower.log()))


def _gone(folder: RunFolder, first: Mapping[str, Any] | None) -> str:
    if first is None:
        return f"nothing is known of run {folder.id}"
    return f"run {folder.id} was killed; run `doit` to go on"


def _going_on(opened: Opened) -> RunFolder:
    """Return the run that goes on, or the next one to begin."""
    root = opened.project.root
    before = run_folders(root)
    # The last one to begin is not always the one with the last id: a run may have waited.
    for each in before[:LOOKED_AT]:
        if each.status() == "running":
            return each
    sys.stderr.write("waiting for a run to begin; Ctrl-C ends this\n")
    while True:
        new = [each for each in run_folders(root) if each not in before]
        if new:
            return new[0]
        time.sleep(SECONDS_BETWEEN_READS)
