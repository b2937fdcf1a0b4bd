"""This is where `doit` brings every store up to date, and stops in good order when told to."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import inspect
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import doit.cmd_run
import doit.doit_cmd
from doit.exceptions import DependencyError, TaskFailed, UnmetDependency
from doit.runner import ERROR, FAILURE, MThreadRunner, Runner
from doit.task import Task

from hygge import github, tasks
from hygge.commands.leaving_out import COUNTING, bring_back, is_alone
from hygge.commands.on_error import collects_all, failed_fast
from hygge.commands.stopping import stopping_on_signals
from hygge.commands.telling import NOTHING_STARTED, Telling, no_task, tell
from hygge.coordinator import Options
from hygge.errors import ConfigError, HyggeError, UsageError, did_you_mean
from hygge.group_tasks import BrokenFlowTask, FlowTask, GroupTask, left_out
from hygge.own_tasks import wait_for_flows
from hygge.plan import FlowPlan
from hygge.tasks import Invocation, PartitionTask

if TYPE_CHECKING:
    from hygge.error_record import ErrorRecord
    from hygge.share import Share

CHECK_FAILED = 5
"""Exit code: nothing failed but checks and contracts."""

CONFIG_KEYS = {"action_string_formatting", "codec_cls", "default_tasks", "minversion"}
"""What DOIT_CONFIG may hold beside the options of commands."""


class Orderly:
    """Mixed into doit's runners: stops on request, and forgets nothing that has not changed."""

    final_result: int
    dep_manager: Any
    reporter: Any

    # doit's runners look at this attribute before each task; here it also says whether a signal
    # has come, so that what is in flight is finished and recorded.
    @property
    def _stop_running(self) -> bool:
        return self._stopped or bool(tasks.current.stopped_by)

    @_stop_running.setter
    def _stop_running(self, value: bool) -> None:
        self._stopped = value

    def run_all(self, task_dispatcher: Any) -> int:
        """Also note which partitions are to be moved."""
        invocation = tasks.current
        if invocation.run is not None and invocation.plan is not None:
            planned = _planned(task_dispatcher.tasks, task_dispatcher.selected_tasks)
            invocation.run.begin(planned, invocation.plan)
            counted = left_out(task_dispatcher.tasks, task_dispatcher.selected_tasks)
            invocation.run.recorder.unchanged(sum(counted.values()))
        return int(super().run_all(task_dispatcher))  # type: ignore[misc]

    def select_task(self, node: Any, tasks_dict: dict[str, Any]) -> bool:
        """Also refuse a task whose ``setup`` failed, which doit runs under ``--continue``.

        And a partition that turns out not to exist, for which doit keeps an empty task.
        """
        if type(node.task) is Task and node.task.name in tasks.current.asked_early:
            unknown = no_task(node.task.name, list(tasks_dict))
            self._handle_task_error(node, TaskFailed(str(unknown)))
            return False
        failed = failed_fast(node.task, tasks.current.run)
        if failed and not self.dep_manager.status_is_ignore(node.task):
            self.reporter.get_status(node.task)
            self._handle_task_error(node, UnmetDependency(failed))
            return False
        if node.run_status == "run" and node.bad_deps:
            names = " ".join(bad.task.name for bad in node.bad_deps)
            self._handle_task_error(node, UnmetDependency(names))
            return False
        selected = bool(super().select_task(node, tasks_dict))  # type: ignore[misc]
        if isinstance(node.task, PartitionTask):
            node.task.tell_skipped(node.run_status)
        return selected

    def process_task_result(self, node: Any, base_fail: Any) -> None:
        """Also take a receipt that can't be written for a failure of its task."""
        try:
            with _sources_left_alone(node.task):
                super().process_task_result(node, base_fail)  # type: ignore[misc]
        except HyggeError as error:
            self._handle_task_error(node, TaskFailed(str(error)))
        if isinstance(node.task, PartitionTask) and node.run_status == "successful":
            node.task.tell_success()

    def _handle_task_error(self, node: Any, base_fail: Any) -> None:
        before, stopped = self.final_result, self._stopped
        if isinstance(base_fail, UnmetDependency) and node.bad_deps:
            names = dict.fromkeys(bad.task.name for bad in node.bad_deps)
            base_fail = UnmetDependency(", ".join(names))
        if isinstance(base_fail, DependencyError) and isinstance(node.task, PartitionTask):
            base_fail = node.task.without_source() or base_fail
        run = tasks.current.run
        if run is not None and not isinstance(node.task, GroupTask):
            run.failed.setdefault(node.task.name, False)
            if isinstance(base_fail, UnmetDependency):
                run.kept_back.add(node.task.name)
                run.recorder.skipped(node.task.name, f"{base_fail.message} failed")
            elif base_fail.report:
                run.recorder.failed(node.task.name, _recorded(node.task, base_fail))
                if github.is_here():
                    sys.stderr.write(github.annotation(str(base_fail.message)) + "\n")
        super()._handle_task_error(node, base_fail)  # type: ignore[misc]
        if collects_all(node.task) or isinstance(base_fail, UnmetDependency):
            self._stopped = stopped  # others go on, or what stopped them was something else
        if isinstance(base_fail, UnmetDependency):
            # What kept it from running was counted; doit makes an error of a failure here.
            self.final_result = before or FAILURE

    def teardown(self) -> None:
        """Also make a failing teardown fail the run; doit exits with 0."""
        complained = self.reporter.cleanup_error

        def complain(error: Any) -> None:
            self.final_result = ERROR
            complained(error)

        self.reporter.cleanup_error = complain
        super().teardown()  # type: ignore[misc]

    def finish(self) -> int:
        """Also wait for the disk, before the state is closed."""
        tasks.current.ended = True
        run = tasks.current.run
        if run is not None:
            outcome = "failed" if self.final_result else "succeeded"
            outcome = "interrupted" if tasks.current.stopped_by else outcome
            try:
                if outcome == "succeeded":
                    tell_vanished(run.forget_the_rest())
                run.finish(outcome)
            except HyggeError as error:
                self.reporter.runtime_error(f"error: {error}")
                self.final_result = ERROR
            github.add_summary(run.recorder.manifest)
        return int(super().finish())  # type: ignore[misc]


class OrderlyRunner(Orderly, Runner):  # type: ignore[misc]
    """One task after the other."""


class OrderlyThreadRunner(Orderly, MThreadRunner):  # type: ignore[misc]
    """Several tasks at once, in threads."""


class Run(Telling, doit.cmd_run.Run):  # type: ignore[misc]
    """doit's ``run``, and what hygge needs beside."""

    cmd_options = (
        *doit.cmd_run.Run.cmd_options,
        {
            "name": "wait",
            "long": "wait",
            "type": bool,
            "default": False,
            "help": "wait while another run holds the project [default: %(default)s]",
        },
        {
            "name": "allow_prune",
            "long": "allow-prune",
            "type": bool,
            "default": False,
            "help": "let a home lose more than half of its partitions [default: %(default)s]",
        },
        {
            "name": "shard",
            "long": "shard",
            "type": str,
            "default": "",
            "help": "move a share of the partitions: 2/4 is the second of four",
        },
        {
            "name": "debug",
            "long": "debug",
            "type": bool,
            "default": False,
            "help": "show tracebacks [default: %(default)s]",
        },
    )

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Bring up to date what *args* name, or everything; return an exit code."""
        forced, allow_prune = params["always"], params["allow_prune"]
        options = Options(forced, allow_prune, asked=tasks.current.options.asked)
        try:
            share = _share(params["shard"])
        except UsageError as error:
            tell(error)
            return NOTHING_STARTED
        options = dataclasses.replace(options, share=share)
        tasks.current = Invocation(
            moves=True, wait=params["wait"], options=options, debug=params["debug"], leaves_out=True
        )
        # What the command line says; the rest of params is not merged before dodo.py is read.
        self._processes_wanted = params["par_type"] == "process" and params["num_process"]
        self._explicit = "par_type" in params._non_default_keys
        try:
            return super().execute(params, args)
        except KeyboardInterrupt:
            sys.stderr.write("Stopped before anything was moved; run `doit` to go on.\n")
            return 128 + signal.SIGINT

    def _execute(self, **options: Any) -> int:
        invocation = tasks.current
        if invocation.plan is None or invocation.run is None:
            return int(super()._execute(**options))
        words = [*(self.sel_tasks or ()), *(doit.doit_cmd._CMDLINE_VARS or ())]
        if options["reporter"] not in COUNTING or not is_alone(self.task_list, words):
            bring_back(self.task_list, invocation)
        invocation.leaves_out = False  # what is put off is gone through: it may be kept back
        self._check_usage()
        broken = [task for task in self.task_list if isinstance(task, BrokenFlowTask)]
        broken = [task for task in broken if self._is_selected(task.name)]
        if broken and not options["continue_"]:
            for task in broken:
                tell(task.error)
            self.dep_manager.close()
            return NOTHING_STARTED
        self._ask_early(invocation)
        wait_for_flows(self.task_list, invocation.run.project.root)
        if self.sel_tasks is None or not self.sel_tasks:
            tell_vanished(invocation.run.forget_vanished(invocation.plan), options["reporter"])
        if invocation.options.share is not None:
            asked = [flow for flow in invocation.plan.flows if self._is_selected(flow.name)]
            tell_left_out(asked, options["reporter"])
        with stopping_on_signals(), _orderly_runners():
            result = int(super()._execute(**options))
        if invocation.stopped_by:
            return 128 + invocation.stopped_by
        if result == FAILURE and invocation.run.failed_checks_only:
            return CHECK_FAILED
        return result

    # doit reads from the signature which options to hand over.
    _execute.__signature__ = inspect.signature(doit.cmd_run.Run._execute)  # type: ignore[attr-defined]

    def _ask_early(self, invocation: Invocation) -> None:
        """Make ready for partitions that are asked for before it is known which there are."""
        put_off = {
            task.name: task.loader
            for task in self.task_list
            if isinstance(task, FlowTask) and task.loader
        }
        patterns = []
        for name in self.sel_tasks or ():
            asked, _, key = name.partition(":")
            invocation.asked_early |= {name} if key and asked in put_off else set()
            if "*" in name and key:
                patterns += [f"{flow}:{key}" for flow in fnmatch.filter(put_off, asked)]
        for pattern in patterns:
            flow = pattern.partition(":")[0]
            put_off[flow].basename = flow
            self.task_list.append(Task(pattern, None, loader=put_off[flow]))
        invocation.patterns = patterns

    def _is_selected(self, flow: str) -> bool:
        """Tell whether the command line asks for *flow* or for a part of it."""
        return not self.sel_tasks or any(
            name == flow or name.startswith(f"{flow}:") or fnmatch.fnmatch(flow, name)
            for name in self.sel_tasks
        )

    def _check_usage(self) -> None:
        """Refuse what doit would take, but not for what was meant.

        Raises:
            HyggeError: To be mended on the command line, or in DOIT_CONFIG.
        """
        _check_variables({target for task in self.task_list for target in task.targets})
        if self._processes_wanted and self._explicit:
            raise UsageError(
                "partitions are moved by threads, not by processes",
                "-P process",
                "leave it out: doit -n 2",
            )
        known = (
            CONFIG_KEYS
            | {
                option.name
                for command in doit.doit_cmd.DoitMain.DOIT_CMDS
                for option in map(doit.cmdparse.CmdOption, command.cmd_options)
            }
            | {option.name for option in self.cmdparser.options}
        )
        for key in self.loader.load_doit_config():
            if key not in known:
                raise ConfigError(
                    f"unknown key '{key}' in DOIT_CONFIG",
                    "dodo.py",
                    did_you_mean(key, sorted(known)),
                )


def _share(text: str) -> Share | None:
    if not text:
        return None
    # Imported here: few runs are one of several.
    from hygge.share import parsed

    return parsed(text)


def _planned(all_tasks: Mapping[str, Task], selected: Sequence[str]) -> list[str]:
    """Return the stale partitions among *selected* and all they depend on, in order."""
    wanted: set[str] = set()
    waiting = list(selected)
    while waiting:
        name = waiting.pop()
        if name not in wanted and name in all_tasks:
            wanted.add(name)
            waiting += all_tasks[name].task_dep
    return [
        task.name
        for task in all_tasks.values()
        if isinstance(task, PartitionTask) and task.decision.reason is not None
        if task.name in wanted
    ]


def _recorded(task: Task, fail: Any) -> ErrorRecord:
    """Return what is to be remembered of the failure of *task*."""
    if isinstance(task, PartitionTask) and task.action.failure is not None:
        return task.action.failure
    from hygge.error_record import record

    error = task.error if isinstance(task, BrokenFlowTask) else HyggeError(str(fail.message))
    return record(error, task.name)


def _check_variables(targets: set[str]) -> None:
    """Refuse an argument with ``=`` that is no variable: doit would then run everything."""
    for name, value in (doit.doit_cmd._CMDLINE_VARS or {}).items():
        argument = f"{name}={value}"
        if not name.isidentifier() or "=" in value or argument in targets:
            raise UsageError(
                f"'{argument}' names no task: doit takes it for a variable",
                hint="name the partition instead; its key has no 'name=': doit list --all",
            )


def tell_vanished(forgotten: Mapping[str, int], reporter: str = "hygge") -> None:
    """Say which flows are gone, given how many partitions of each were forgotten."""
    # With another reporter stdout is a program's to read.
    stream = sys.stdout if reporter == "hygge" else sys.stderr
    for flow, count in forgotten.items():
        stream.write(f"{flow}  no such flow any more: {count} forgotten, data stays\n")


def tell_left_out(flows: Sequence[FlowPlan], reporter: str) -> None:
    """Say which of *flows* a share leaves to a later run."""
    stream = sys.stdout if reporter == "hygge" else sys.stderr
    for flow in flows:
        if flow.put_off and flow.prepared is not None:
            before = " and ".join(flow.prepared.upstream)
            stream.write(f"{flow.name}  left out: it waits for all of {before}\n")


@contextlib.contextmanager
def _sources_left_alone(task: Task) -> Iterator[None]:
    """Keep doit from reading what a partition depends on once more: its receipt says it all."""
    if not isinstance(task, PartitionTask):
        yield
        return
    before, task.file_dep = task.file_dep, set()
    try:
        yield
    finally:
        task.file_dep = before


@contextlib.contextmanager
def _orderly_runners() -> Iterator[None]:
    """Let doit's ``run`` use our runners, which it offers no other way to choose."""
    before = doit.cmd_run.Runner, doit.cmd_run.MThreadRunner
    doit.cmd_run.Runner, doit.cmd_run.MThreadRunner = OrderlyRunner, OrderlyThreadRunner
    try:
        yield
    finally:
        doit.cmd_run.Runner, doit.cmd_run.MThreadRunner = before
