"""This is where `doit info` says what is known of partitions and flows, and why they are stale."""

from __future__ import annotations

import functools
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import doit.cmd_info
from doit.task import Task

from hygge import tasks
from hygge.commands.reading import JSON_OPTION, Answer, Opened, envelope, open_project
from hygge.commands.telling import NOTHING_STARTED, Telling, no_task, tell, told
from hygge.commands.terminal import printable
from hygge.errors import HyggeError
from hygge.estimate import rows_of
from hygge.plan import Decision, FlowPlan
from hygge.redaction import hide
from hygge.reporter import amount_of_bytes
from hygge.state import State

STALE = 1
"""Exit code: something that was named is stale, as doit has it."""


@dataclass(frozen=True)
class About:
    """What is to be said of one flow, or of one of its partitions."""

    plan: FlowPlan
    decisions: Sequence[Decision]
    """Of the flow, without those that a person set aside; or the partition's alone."""
    ignored: int
    whole: bool
    """Whether it is the flow that was asked for."""

    @property
    def stale(self) -> Counter[str]:
        """How many are stale, by reason."""
        return Counter(each.reason.kind for each in self.decisions if each.reason is not None)


class Info(Telling, doit.cmd_info.Info):  # type: ignore[misc]
    """doit's ``info``; of flows without making tasks of all partitions."""

    doc_purpose = "show what is known of partitions, flows or tasks, and why they are stale"
    doc_usage = "[FLOW|TASK ...]"
    cmd_options = (*doit.cmd_info.Info.cmd_options, JSON_OPTION)

    _json: bool = False

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Show what *args* name, or each flow; return an exit code."""
        self._json = params["json"]
        return told(functools.partial(self._answered, params, args))

    def _answered(self, params: Any, args: list[str]) -> int | None:
        try:
            return self._either(params, args)
        except HyggeError as error:
            if not self._json:
                raise
            return self._write(Answer({}, (), "error", NOTHING_STARTED, [error]))

    def _either(self, params: Any, args: list[str]) -> int | None:
        self.loader.setup(params)
        params.update_defaults(self.loader.load_doit_config())
        self.loader.setup = lambda params: None  # once is enough: it may change the folder
        if params["backend"] != "hygge":
            return super().execute(params, args)
        opened = open_project(self.loader, params)
        flows = {name for name, _ in opened.project.flow_files()}
        if all(name.partition(":")[0].partition(".")[0] in flows for name in args):
            return self._told(opened, args, params["json"])
        return super().execute(params, args)

    def _told(self, opened: Opened, names: list[str], wants_json: bool) -> int:
        plans = opened.coordinator.plan(only=_asked(names)).flows
        errors = [plan.error for plan in plans if plan.error is not None]
        found = []
        for name in names or [""]:
            about = _about(name, plans, opened.state)
            if name and not about and not errors:
                known = opened.coordinator.plan(only=[name.partition(":")[0]]).flows
                tasks_there = [each.task for plan in known for each in plan.decisions]
                raise no_task(name, [plan.name for plan in known] + tasks_there)
            found += about
        is_stale = any(each.stale for each in found)
        code = NOTHING_STARTED if errors else STALE if names and is_stale else 0
        if wants_json:
            data = {"tasks": [_data(each) for each in found]}
            status = "error" if errors else "stale" if is_stale else "ok"
            return self._write(Answer(data, (), status, code, errors))
        for line in (line for each in found for line in _lines(each)):
            sys.stdout.write(line + "\n")
        for error in errors:
            tell(error)
        return code

    def _execute(self, **options: Any) -> int:
        """Show people's own tasks among the rest."""
        if tasks.current.plan is None:
            return int(super()._execute(**options))
        known = {task.name: task for task in self.task_list}
        try:
            for name in options["pos_args"]:
                if name not in known:
                    raise no_task(name, list(known))
        except HyggeError as error:
            if not self._json:
                raise
            return self._write(Answer({}, (), "error", NOTHING_STARTED, [error]))
        if self._json:
            return self._write(self._answer([known[name] for name in options["pos_args"]]))
        codes = [0]
        for name in options["pos_args"]:
            found = self._about(name)
            for line in (line for each in found for line in _lines(each)):
                self.outstream.write(line + "\n")
            codes += [STALE for each in found if each.stale]
            if not found:
                codes.append(int(super()._execute(**{**options, "pos_args": [name]})))
        return max(codes)

    def _about(self, name: str) -> list[About]:
        plan = tasks.current.plan
        return [] if plan is None else _about(name, plan.flows, self.dep_manager.backend)

    def _answer(self, asked: Sequence[Task]) -> Answer:
        """Return what is known of *asked*, people's own tasks among them, for programs."""
        data: list[dict[str, Any]] = []
        for task in asked:
            found = self._about(task.name)
            data += [_data(each) for each in found] or [self._own(task)]
        is_stale = any(each["status"] != "up to date" for each in data)
        return Answer({"tasks": data}, (), "stale" if is_stale else "ok", STALE * is_stale)

    def _own(self, task: Task) -> dict[str, Any]:
        known = {each.name: each for each in self.task_list}
        status = self.dep_manager.get_status(task, known).status
        return {
            "name": task.name,
            "kind": "task",
            "status": "up to date" if status == "up-to-date" else "stale",
            "file_dep": sorted(task.file_dep),
            "targets": list(task.targets),
        }

    def _write(self, answer: Answer) -> int:
        sys.stdout.write(envelope("info", answer) + "\n")
        return answer.code

    _execute.__signature__ = inspect.signature(doit.cmd_info.Info._execute)  # type: ignore[attr-defined]


def _asked(names: list[str]) -> list[str]:
    """Return *names* for a plan: an entity's flow stands for all of its entities."""
    return names if all(":" in name for name in names) else []


def _about(name: str, plans: Sequence[FlowPlan], state: State) -> list[About]:
    """Return what *name* stands for: a partition, a flow, all entities of one, or all flows."""
    flow, _, key = name.partition(":")
    mine = [p for p in plans if flow in ("", p.name, p.name.partition(".")[0]) and not p.error]
    if not key:
        return [_flow(plan, state) for plan in mine]
    for plan in mine:
        for decision in plan.decisions:
            if decision.task == name:
                ignored = bool(state.get(name, "ignore:"))
                return [About(plan, [decision], int(ignored), whole=False)]
    return []


def _flow(plan: FlowPlan, state: State) -> About:
    kept = [each for each in plan.decisions if not state.get(each.task, "ignore:")]
    return About(plan, kept, len(plan.decisions) - len(kept), whole=True)


def _lines(about: About) -> Iterator[str]:
    yield ""
    lines = _flow_lines(about) if about.whole else _partition_lines(about)
    yield from (printable(hide(line)) for line in lines)


def _flow_lines(about: About) -> Iterator[str]:
    prepared = about.plan.prepared
    assert prepared is not None
    flow, stale = prepared.flow, about.stale
    yield about.plan.name
    if flow.description:
        yield from ("", *hide(flow.description).splitlines())
    yield ""
    yield f"written in : {flow.file}"
    yield f"home       : {flow.home.values['path']}"
    yield f"store      : {flow.store.values['path']}"
    if prepared.upstream:
        yield f"waits for  : {', '.join(prepared.upstream)}"
    ignored = f", {about.ignored:,} ignored" if about.ignored else ""
    up_to_date = len(about.decisions) - stale.total()
    yield f"partitions : {up_to_date:,} up to date, {stale.total():,} stale{ignored}"
    for kind, count in stale.items():
        yield f" - {count:,} {kind}"
    yield f"holds      : {_holdings(about)}"
    last = max((each.receipt.run for each in about.decisions if each.receipt), default="")
    if last:
        yield f"last move  : run {last}"


def _holdings(about: About) -> str:
    receipts = [each.receipt for each in about.decisions if each.receipt is not None]
    outputs = [output for receipt in receipts for output in receipt.outputs]
    rows = [rows_of(receipt) for receipt in receipts]
    told = f"{sum(each or 0 for each in rows):,} rows, " if None not in rows else ""
    size = amount_of_bytes(sum(output.signature.size for output in outputs))
    return f"{told}{size} in {len(outputs):,} file{'' if len(outputs) == 1 else 's'}"


def _partition_lines(about: About) -> Iterator[str]:
    (decision,) = about.decisions
    yield from (decision.task, "")
    yield f"status     : {_status(about)}"
    if decision.reason is not None:
        yield f"reason     : {decision.reason}"
    sources, targets = _files(about)
    for title, paths in (("file_dep", sources), ("targets", targets)):
        if paths:
            yield from ("", f"{title:<11}:", *(f" - {path}" for path in paths))
    if decision.receipt is not None:
        receipt = decision.receipt
        rows = sum(output.rows or 0 for output in receipt.outputs)
        yield ""
        yield f"last move  : run {receipt.run}, {rows:,} rows, {receipt.seconds:.2f}s"


def _status(about: About) -> str:
    return ("stale" if about.stale else "up to date") + (", ignored" if about.ignored else "")


def _files(about: About) -> tuple[list[str], list[str]]:
    """Return what a partition reads, and where it settles as far as that is known."""
    (decision,) = about.decisions
    prepared = about.plan.prepared
    if decision.partition is None or prepared is None:
        return [], []
    read = {each.path for each in (*decision.partition.sources, *prepared.input_sources)}
    return sorted(read), list(tasks.targets_of(prepared, decision))


def _data(about: About) -> dict[str, Any]:
    """Return it for programs."""
    if about.whole:
        outputs = [
            output for each in about.decisions if each.receipt for output in each.receipt.outputs
        ]
        return {
            "name": about.plan.name,
            "kind": "flow",
            "status": "stale" if about.stale else "up to date",
            "partitions": len(about.decisions) + about.ignored,
            "stale": dict(about.stale),
            "ignored": about.ignored,
            "files": len(outputs),
            "bytes": sum(output.signature.size for output in outputs),
        }
    (decision,) = about.decisions
    sources, targets = _files(about)
    reason, receipt = decision.reason, decision.receipt
    return {
        "name": decision.task,
        "kind": "partition",
        "status": "stale" if reason else "up to date",
        "ignored": bool(about.ignored),
        "reason": {"kind": reason.kind, "detail": reason.detail} if reason else None,
        "file_dep": sources,
        "targets": targets,
        "run": receipt.run if receipt else None,
        "seconds": receipt.seconds if receipt else None,
        "rows": rows_of(receipt) if receipt else None,
    }
