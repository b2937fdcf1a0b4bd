"""This is where a command that only shows finds its project, and answers people or programs."""

from __future__ import annotations

import dataclasses
import functools
import gc
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import doit.cmd_base
from doit.exceptions import InvalidDodoFile

from hygge import redaction, tasks
from hygge.commands.envelope import JSON_OPTION, Answer, diagnostic, envelope
from hygge.commands.telling import NOTHING_STARTED, Entering, tell, told
from hygge.coordinator import Coordinator, Options
from hygge.errors import HyggeError, UsageError
from hygge.fingerprint import ContentHashes
from hygge.project import Project
from hygge.state import State

__all__ = ["JSON_OPTION", "Answer", "Opened", "Reading", "diagnostic", "envelope", "open_project"]


SELDOM = 100_000
"""New objects between two searches for garbage."""


@dataclass(frozen=True)
class Opened:
    """A project that is ready to be looked at."""

    project: Project
    state: State
    coordinator: Coordinator
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """DOIT_CONFIG of dodo.py."""


class Reading(Entering, doit.cmd_base.DoitCmdBase, ABC):  # type: ignore[misc]
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

    def _set_up(self, params: Any) -> None:
        try:
            self.loader.setup(params)
        except InvalidDodoFile as error:
            what = str(error).partition("\n")[0].rstrip(".")
            hint = "go to your project's folder, or name its dodo.py: -f FILE"
            raise UsageError(what, hint=hint) from error

    def _answered(self, params: Any, args: list[str]) -> int:
        wants_json = params["json"]
        try:
            self._set_up(params)
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
    # Thousands of small values that stay: looking through them often costs a tenth of the time.
    gc.set_threshold(SELDOM)
    config = loader.load_doit_config()
    params.update_defaults(config)
    project = tasks.project_here()
    if params["backend"] != "hygge":
        raise tasks.not_configured()
    state = State(str(Path(params["dep_file"])))
    options = Options(reserved=tasks.command_names())
    coordinator = Coordinator(project, state, options, ContentHashes())
    return Opened(project, state, coordinator, config)
