"""This is where partitions become doit's tasks; only the commands know doit's words too."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import functools
import gc
import os
import signal
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.action import BaseAction
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from doit.exceptions import TaskError, TaskFailed
from doit.globals import Globals
from doit.task import DelayedLoader, Task

from hygge import project as projects
from hygge.content_checker import ContentChecker
from hygge.coordinator import Coordinator, Options, Plan
from hygge.errors import ConfigError, HomeError, HyggeError
from hygge.fingerprint import ContentHashes
from hygge.group_tasks import BrokenFlowTask, FlowTask, GroupTask
from hygge.partition import Source
from hygge.plan import Decision, FlowPlan
from hygge.prepared import Prepared
from hygge.redaction import hide, register_environment
from hygge.removals import in_the_way
from hygge.run import Run
from hygge.state import REMOVED, State

if TYPE_CHECKING:
    from hygge.error_record import ErrorRecord
    from hygge.move import Moved


@dataclass
class Invocation:
    """What the command that is being executed asks of the tasks that are made for it.

    doit makes tasks without saying for which command. A command that moves data sets `current`
    before, and finds its run there after; all others only read.
    """

    moves: bool = False
    """Whether partitions may be moved."""
    wait: bool = False
    """Whether to wait for another run to end."""
    options: Options = Options()  # noqa: RUF009 - frozen
    stopped_by: int = 0
    """Number of the signal that asked for an orderly stop; 0 if none did."""
    ended: bool = False
    """Whether the last task has ended, so that nothing is left to stop."""
    debug: bool = False
    """Whether tracebacks are shown."""
    run: Run | None = None
    """The run, once tasks were made for a command that moves."""
    plan: Plan | None = None
    """What was decided, once tasks were made."""
    asked_early: set[str] = dataclasses.field(default_factory=set)
    """Partitions, asked for by name, of flows that are put off."""
    patterns: Sequence[str] = ()
    """Patterns of partitions, asked for by name, of flows that are put off."""
    leaves_out: bool = False
    """Whether what is up to date gets no tasks."""


current = Invocation()


class _Action(BaseAction, ABC):  # type: ignore[misc]
    """An action that tells doit of its failures and captures no output: it prints nothing."""

    def __init__(self, run: Run | None, prepared: Prepared, decision: Decision) -> None:
        self.run, self.prepared, self.decision = run, prepared, decision
        self.task: Task | None = None
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}
        self.failure: ErrorRecord | None = None

    def execute(self, out: object = None, err: object = None) -> TaskFailed | TaskError | None:
        """Do it; return what went wrong, or None."""
        try:
            self.act()
        except HyggeError as error:
            self.failure = self._recorded(error)
            return TaskFailed(str(error))
        except KeyboardInterrupt:
            # polars tells of a Ctrl-C in this way; what was half-written is gone already.
            current.stopped_by = current.stopped_by or signal.SIGINT
            return TaskFailed("interrupted", report=False)
        except BaseException as error:  # noqa: BLE001 - the one place where it is wanted
            # A mistake of ours, or a panic of polars, which is no Exception: what else is to be
            # done does not suffer from it, and no thread dies while others wait for it.
            self.failure = self._recorded(error)
            if self.run is not None:
                self.run.unexpected(self.decision.task, error)
            return TaskError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
        return None

    def _recorded(self, error: BaseException) -> ErrorRecord:
        # Imported here, as elsewhere in this module what most runs don't come to.
        from hygge.error_record import record

        partition = self.decision.partition
        file = partition.sources[0].path if partition else None
        return record(error, self.decision.task, file)

    @abstractmethod
    def act(self) -> None:
        """Do it, or raise."""

    def __str__(self) -> str:
        return type(self).__name__


class MoveAction(_Action):
    """Moves a partition; its receipt becomes the task's saved values."""

    moved: Moved | None = None
    """What was done; None until then."""

    def act(self) -> None:
        assert self.run is not None, "only a run executes tasks"
        self.moved = self.run.move(self.prepared, self.decision)
        self.values = self.moved.receipt.to_json()


class RemoveAction(_Action):
    """Removes the outputs of a partition whose source is gone."""

    removed: tuple[str, ...] = ()
    """What was removed."""

    def act(self) -> None:
        assert self.run is not None, "only a run executes tasks"
        self.removed = self.run.remove(self.prepared, self.decision)
        self.values = dict(REMOVED)


class PartitionTask(Task):  # type: ignore[misc]
    """The task of one partition."""

    def __init__(self, run: Run | None, prepared: Prepared, decision: Decision) -> None:
        self.prepared = prepared
        self.decision = decision
        partition = decision.partition
        action = MoveAction if partition else RemoveAction
        self.action = action(run, prepared, decision)
        super().__init__(
            decision.task,
            actions=[self.action],
            file_dep=[each.path for each in _read(prepared, decision)],
            targets=targets_of(prepared, decision),
            uptodate=[decision.reason is None],
            subtask_of=prepared.flow.name,
            clean=True,
            doc=hide(str(decision.reason)) if decision.reason else "up to date",
        )

    def without_source(self) -> TaskFailed | None:
        """Return how it fails if a file it depends on has gone since; None if all are there."""
        for path in self.file_dep:
            try:
                os.stat(path)
            except OSError as error:
                hint = "run again: it went after it was listed"
                gone = HomeError(f"'{path}' can't be read: {error.strerror}", path, hint)
                self.action.failure = self.action._recorded(gone)
                return TaskFailed(str(gone))
        return None

    def tell_skipped(self, status: str | None) -> None:
        """Note in the run's record that it is not executed, if doit's *status* says so."""
        run = self.action.run
        if run is not None and status == "up-to-date":
            run.recorder.unchanged()
        elif run is not None and status == "ignore":
            run.recorder.ignored(self.name)

    def tell_success(self) -> None:
        """Note in the run's record that it was executed, and that this is remembered."""
        run = self.action.run
        if run is not None:
            moved = self.action.moved if isinstance(self.action, MoveAction) else None
            run.recorder.succeeded(self.name, str(self.decision.reason), moved)


def _read(prepared: Prepared, decision: Decision) -> Sequence[Source]:
    """Return the files that a partition depends on."""
    return (*decision.partition.sources, *prepared.input_sources) if decision.partition else ()


def targets_of(prepared: Prepared, decision: Decision) -> Sequence[str]:
    """Return where a partition settles, as far as it is known before it is moved."""
    if decision.partition is None:
        return ()
    recorded = [output.path for output in decision.receipt.outputs] if decision.receipt else []
    # Of a stale one, only what it will write for sure: another flow may take over the rest, and
    # doit refuses two tasks with one target.
    return recorded if decision.reason is None else prepared.store.outputs(decision.partition)


def task_hygge() -> Iterator[Task]:
    """Yield the tasks of every flow of the project: its group, then its partitions.

    Raises:
        HyggeError: Nothing can be done in this project at all.
    """
    invocation = current
    project, state, hashes = project_here(), _state(), _hashes()
    options = dataclasses.replace(invocation.options, reserved=command_names())
    with _no_collection():
        if invocation.moves:
            invocation.run = Run(project, state, options, hashes)
            invocation.run.trial.is_stopping = lambda: bool(invocation.stopped_by)
            plan = invocation.run.plan(invocation.wait, invocation.leaves_out)
        else:
            plan = Coordinator(project, state, options, hashes).plan()
    invocation.plan = plan
    files: dict[str, list[FlowPlan]] = {}
    for flow in plan.flows:
        file, entity = flow.name.partition(".")[::2]
        if entity:
            files.setdefault(file, []).append(flow)
        if flow.put_off and options.share is not None:
            # What it waits for is moved by several runs: it is the next one's.
            yield FlowTask(flow)
        elif flow.put_off and invocation.run is not None:
            yield from _put_off(flow, invocation.run, state)
        else:
            yield from _tasks_of(flow, invocation.run, state)
    for file, members in files.items():
        yield GroupTask(file, [each.name for each in members], _about_entities(members))


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Don't let Python look for garbage within, nor later among what was made within.

    A plan leaves hardly any and stays to the end of the process; looking through its parts again
    and again, and once more at the very end, took a quarter of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _about_entities(plans: Sequence[FlowPlan]) -> str:
    count = "1 entity" if len(plans) == 1 else f"{len(plans)} entities"
    said = {each.prepared.flow.description for each in plans if each.prepared}
    return f"{next(iter(said))} ({count})" if len(said) == 1 and said != {""} else count


def _tasks_of(plan: FlowPlan, run: Run | None, state: State) -> Iterator[Task]:
    if plan.error is not None or plan.prepared is None:
        assert plan.error is not None
        yield BrokenFlowTask(plan.name, plan.error)
        return
    state.kept |= {decision.task for decision in plan.decisions}
    share = current.options.share
    plan = plan if share is None or run is None else share.of(plan)
    left_out = [each for each in plan.decisions if current.leaves_out and _is_idle(each, state)]
    yield FlowTask(plan, left_out=left_out)
    assert plan.prepared is not None
    waits = in_the_way(plan.prepared, plan.decisions)
    apart = {each.task for each in left_out}
    for decision in [each for each in plan.decisions if each.task not in apart]:
        task = PartitionTask(run, plan.prepared, decision)
        task.task_dep += waits.get(decision.task, [])
        yield task


def _is_idle(decision: Decision, state: State) -> bool:
    """Tell whether there is nothing to do, and nothing to say, for a partition."""
    return decision.reason is None and state.get(decision.task, "ignore:") is None


def _put_off(plan: FlowPlan, run: Run, state: State) -> Iterator[Task]:
    """Yield a task that becomes the flow's tasks when those it waits for have been executed."""
    assert plan.prepared is not None
    prepared = plan.prepared
    before = f"_before:{plan.name}"
    creator = functools.partial(_tasks_put_off, prepared, run, state)
    yield GroupTask(before, prepared.upstream, has_subtask=False)
    yield FlowTask(plan, DelayedLoader(creator, executed=before))


def _tasks_put_off(prepared: Prepared, run: Run, state: State) -> Iterator[Task]:
    plan = run.plan_flow(prepared)
    stale = [each.task for each in plan.decisions if each.reason is not None]
    asked = [task for task in stale if task in current.asked_early]
    run.recorder.plan(asked or stale)
    from hygge.blocking import Blocked

    blocked = Blocked(prepared, run.failed, state)
    members = []
    for task in _tasks_of(plan, run, state):
        if isinstance(task, PartitionTask):
            task.task_dep += blocked.by(task.decision)
            members.append(task.name)
        yield task
    for pattern in current.patterns:
        if pattern.partition(":")[0] == prepared.flow.name:
            yield GroupTask(pattern, fnmatch.filter(members, pattern), has_subtask=False)


def project_here() -> projects.Project:
    """Return the project whose root is the current folder.

    Raises:
        HyggeError: There is none, the current folder is another one, or hygge.yml is wrong.
    """
    register_environment()
    root = projects.find_root(Path.cwd())
    if root != Path.cwd().resolve():
        raise ConfigError(
            "doit is to work in another folder than the project's root",
            f"{Path.cwd()}, root {root}",
            "leave out -d: all paths in flows start at the root",
        )
    return projects.load(root)


def command_names() -> set[str]:
    """Return the names that doit would take for a command's."""
    plugins = {point.name for point in entry_points(group="doit.COMMAND")}
    return plugins | {command.get_name() for command in DoitMain.DOIT_CMDS}


def _hashes() -> ContentHashes:
    """Return the hashes that doit's checker uses too, so that no file is read twice."""
    checker = Globals.dep_manager.checker
    return checker.hashes if isinstance(checker, ContentChecker) else ContentHashes()


def _state() -> State:
    backend = getattr(Globals.dep_manager, "backend", None)
    if not isinstance(backend, State):
        raise not_configured()
    return backend


def not_configured() -> ConfigError:
    """Build the error for a dodo.py that lacks DOIT_CONFIG."""
    return ConfigError(
        "doit does not use hygge's state",
        "DOIT_CONFIG in dodo.py",
        "from hygge.tasks import DOIT_CONFIG, task_hygge",
    )


DOIT_CONFIG: dict[str, Any] = {
    "backend": "hygge",
    "check_file_uptodate": ContentChecker,
    "dep_file": ".doit.db",
    "par_type": "thread",
    "reporter": "hygge",
    "verbosity": 2,
}
"""What a dodo.py hands to doit so that flows are moved safely."""


class ProjectLoader(ModuleTaskLoader):  # type: ignore[misc]
    """Loads a project that has no dodo.py."""

    def __init__(self) -> None:
        super().__init__({"DOIT_CONFIG": DOIT_CONFIG, "task_hygge": task_hygge})
