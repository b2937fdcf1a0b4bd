"""This is where what goes wrong in a command is told in three lines instead of a traceback."""

from __future__ import annotations

import fnmatch
import functools
import itertools
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doit.dependency import DatabaseException
from doit.exceptions import InvalidCommand

from hygge import github, group_tasks, outlet, redaction, tasks
from hygge.commands import options
from hygge.commands.envelope import Answer, envelope
from hygge.errors import HyggeError, UsageError, nearest
from hygge.paths import located
from hygge.state_file import is_state

NOTHING_STARTED = 3
"""Exit code: the configuration, the command line or another run kept it from starting."""

UNWRITABLE = 2
"""Exit code: what the command says could not be written, and somebody may miss it."""

WHILE_RUNNING = 2
"""Exit code: something failed that is no task."""

CLOSED_PIPE = 141
"""Exit code: what the command writes to was closed, as by ``| head``; what a shell makes of it."""


class Entering:
    """Mixed into a command: one that can't be begun as it was typed is refused in three lines."""

    name: str
    cmdparser: Any

    def parse_execute(self, in_args: list[str]) -> int | None:
        """Parse and execute; return an exit code."""
        outlet.open_streams()
        if getattr(self, "outstream", sys.stdout) is None:
            self.outstream = sys.stdout
        wrong = options.refused(self.name, self.cmdparser, in_args)
        if wrong is not None and self.is_hygges():
            return told(functools.partial(self._refuse, wrong, in_args))
        try:
            result: int | None = super().parse_execute(in_args)  # type: ignore[misc]
            return result
        except KeyboardInterrupt:
            return told(lambda: 128 + signal.SIGINT)

    def is_hygges(self) -> bool:
        """Tell whether the command answers as hygge does, not as doit does."""
        return True

    def _refuse(self, error: HyggeError, words: list[str]) -> int:
        if "--json" not in words or "json" not in self.cmdparser:
            raise error
        answer = Answer({}, status="error", code=NOTHING_STARTED, problems=[error])
        sys.stdout.write(envelope(self.name, answer) + "\n")
        return answer.code


class Telling(Entering):
    """Mixed into a doit command; a project that is not hygge's is left as doit has it."""

    task_list: list[Any]

    def is_hygges(self) -> bool:
        """Tell whether the project is hygge's, as far as that is known before it is loaded."""
        return options.is_hygges_project()

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Execute the command; say on stderr what a person can mend, and return 3."""
        try:
            return told(functools.partial(super().execute, params, args))  # type: ignore[misc]
        except InvalidCommand as error:
            unknown = _unknown_task(error)
            if tasks.current.plan is None or unknown is None:
                raise
            tell(no_task(unknown, [task.name for task in self.task_list]))
        except DatabaseException:
            if not is_state(Path(params["dep_file"])):
                raise
            tell(tasks.not_configured())
        return NOTHING_STARTED


def told(execute: Callable[[], int | None]) -> int | None:
    """Call *execute*; say on stderr what a person can mend; return an exit code."""
    try:
        try:
            result = execute()
        except HyggeError as error:
            tell(error)
            result = NOTHING_STARTED
        except OSError as error:
            if error.filename is None or isinstance(error, BrokenPipeError):
                raise
            tell(_out_of_order(error))
            run = tasks.current.run
            result = WHILE_RUNNING if run is not None and run.has_begun else NOTHING_STARTED
        sys.stdout.flush()
        return result
    except BrokenPipeError:
        # Whoever read has seen enough.
        outlet.silence(sys.stdout)
        return CLOSED_PIPE
    except OSError as error:
        if not outlet.is_unwritable(error):
            raise
        outlet.silence(sys.stdout)
        what = f"what is shown can't be written: {error.strerror}"
        tell(HyggeError(what, hint="write it to where there is room"))
        return UNWRITABLE


def _out_of_order(error: OSError) -> HyggeError:
    """Return what is told of a file at which something failed that is not foreseen."""
    name = located(os.fsdecode(error.filename), Path.cwd()) or "."
    hint = "see to it that it can be read and written, and that the disk is sound"
    return HyggeError(f"'{name}' can't be used: {error.strerror}", name, hint)


def tell(error: HyggeError) -> None:
    """Write *error* to stderr."""
    sys.stdout.flush()
    sys.stderr.write(f"error: {redaction.hide(str(error))}\n")
    if github.is_here():
        sys.stderr.write(github.annotation(str(error)) + "\n")


def no_task(name: str, known: list[str]) -> UsageError:
    """Build the error for a task that does not exist."""
    if name.startswith("-"):
        return UsageError(f"no task '{name}'", hint="options stand before names: doit list --all x")
    flow = name.partition(":")[0]
    known = [each for each in known if each != name]
    near = nearest(name, known) if flow in known or ":" not in name else nearest(flow, known)
    hint = f"did you mean '{near}'?" if near else "see what there is: doit list --all"
    return UsageError(f"no task '{name}'", hint=hint)


def expanded(names: list[str], task_list: list[Any]) -> list[str]:
    """Return *names* with each pattern replaced by the tasks it matches, a flow by its entities."""
    known = [task.name for task in task_list]
    groups = {
        task.name: [each.name for each in task_list if each.subtask_of == task.name]
        for task in task_list
        if isinstance(task, group_tasks.GroupTask) and not isinstance(task, group_tasks.FlowTask)
    }
    found = (fnmatch.filter(known, each) or [each] if "*" in each else [each] for each in names)
    whole = (groups.get(each, [each]) for each in itertools.chain.from_iterable(found))
    return list(dict.fromkeys(itertools.chain.from_iterable(whole)))


def tell_broken(task_list: list[Any]) -> bool:
    """Write to stderr why flows can't be used; tell whether there are any."""
    broken = [task for task in task_list if isinstance(task, group_tasks.BrokenFlowTask)]
    for task in broken:
        tell(task.error)
    return bool(broken)


def _unknown_task(error: InvalidCommand) -> str | None:
    if error.not_found is not None:
        return str(error.not_found)
    match = re.fullmatch(r"'(.*)' is not a task\.", str(error), re.DOTALL)
    return match[1] if match else None
