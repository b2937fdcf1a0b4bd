"""This is where what goes wrong in a command is told in three lines instead of a traceback."""

from __future__ import annotations

import fnmatch
import functools
import itertools
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doit.dependency import DatabaseException
from doit.exceptions import InvalidCommand

from hygge import github, redaction, tasks
from hygge.errors import HyggeError, UsageError, nearest
from hygge.state_file import is_state

NOTHING_STARTED = 3
"""Exit code: the configuration, the command line or another run kept it from starting."""


CLOSED_PIPE = 141
"""Exit code: what the command writes to was closed, as by ``| head``; what a shell makes of it."""


class Telling:
    """Mixed into a doit command; a project that is not hygge's is left as doit has it."""

    task_list: list[Any]

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
        result = execute()
        sys.stdout.flush()
        return result
    except HyggeError as error:
        tell(error)
        return NOTHING_STARTED
    except BrokenPipeError:
        # Whoever read has seen enough; Python would complain once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


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
        if isinstance(task, tasks.GroupTask) and not isinstance(task, tasks.FlowTask)
    }
    found = (fnmatch.filter(known, each) or [each] if "*" in each else [each] for each in names)
    whole = (groups.get(each, [each]) for each in itertools.chain.from_iterable(found))
    return list(dict.fromkeys(itertools.chain.from_iterable(whole)))


def tell_broken(task_list: list[Any]) -> bool:
    """Write to stderr why flows can't be used; tell whether there are any."""
    broken = [task for task in task_list if isinstance(task, tasks.BrokenFlowTask)]
    for task in broken:
        tell(task.error)
    return bool(broken)


def _unknown_task(error: InvalidCommand) -> str | None:
    if error.not_found is not None:
        return str(error.not_found)
    match = re.fullmatch(r"'(.*)' is not a task\.", str(error), re.DOTALL)
    return match[1] if match else None
