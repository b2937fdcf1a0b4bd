"""This is where a command that only shows finds its project, and answers people or programs."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doit.cmd_base

from hygge import redaction, tasks
from hygge.commands.telling import NOTHING_STARTED, tell, told
from hygge.coordinator import Coordinator, Options
from hygge.errors import HyggeError
from hygge.fingerprint import ContentHashes
from hygge.project import Project
from hygge.state import State

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


@dataclass(frozen=True)
class Opened:
    """A project that is ready to be looked at."""

    project: Project
    state: State
    coordinator: Coordinator
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """DOIT_CONFIG of dodo.py."""


class Reading(doit.cmd_base.DoitCmdBase, ABC):  # type: ignore[misc]
    """A command that shows something. It moves nothing, takes no lock and makes no tasks."""

    doc_description = None

    @abstractmethod
    def answer(self, opened: Opened, params: Any, names: list[str]) -> Answer:
        """Return what *names*, the words after the options, ask for.

        Raises:
            HyggeError: It can't be told; exit code 3.
        """

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Write the answer; return its exit code."""
        return told(functools.partial(self._answered, params, args))

    def _answered(self, params: Any, args: list[str]) -> int:
        wants_json = params["json"]
        try:
            self.loader.setup(params)
            answer = self.answer(open_project(self.loader, params), params, args)
            if not wants_json:
                for line in answer.lines:
                    sys.stdout.write(redaction.hide(line) + "\n")
        except HyggeError as error:
            answer = Answer({}, status="error", code=NOTHING_STARTED, problems=[error])
        if wants_json:
            sys.stdout.write(envelope(self.name, answer) + "\n")
        else:
            for problem in answer.problems:
                tell(problem)
        return answer.code


def open_project(loader: Any, params: Any) -> Opened:
    """Return the project that a doit *loader*, which is set up, finds.

    Raises:
        HyggeError: There is none, or it is not set up for hygge.
    """
    config = loader.load_doit_config()
    params.update_defaults(config)
    project = tasks.project_here()
    if params["backend"] != "hygge":
        raise tasks.not_configured()
    state = State(str(Path(params["dep_file"])))
    options = Options(reserved=tasks.command_names())
    coordinator = Coordinator(project, state, options, ContentHashes())
    return Opened(project, state, coordinator, config)


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
