"""This is where a run shows what it does: a live block on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from doit.exceptions import BaseFail, UnmetDependency
from doit.task import Task

from hygge import tasks
from hygge.commands.terminal import printable
from hygge.group_tasks import BrokenFlowTask, GroupTask, left_out
from hygge.live import LiveBlock
from hygge.live import amount_of_bytes as amount_of_bytes
from hygge.outlet import Outlet
from hygge.recorder import settled
from hygge.redaction import hide
from hygge.tasks import MoveAction, PartitionTask, RemoveAction

if TYPE_CHECKING:
    from hygge.move import Moved


@dataclass
class Totals:
    """What a run, or one flow of it, has done so far."""

    stale: int = 0
    """Partitions that were to be moved or removed when the run began."""
    moved: int = 0
    unchanged: int = 0
    failed: int = 0
    not_run: int = 0
    """Kept back because one before them failed."""
    removed: int = 0
    """Partitions whose source is gone."""
    ignored: int = 0
    """Partitions that `doit ignore` set aside."""
    rows: int = 0
    """Rows of what was moved, as far as they were counted."""
    bytes: int = 0
    """Bytes of what was moved."""

    def add(self, moved: Moved) -> None:
        """Count one partition that was moved."""
        self.moved += 1
        self.rows += sum(output.rows or 0 for output in settled(moved))
        self.bytes += sum(output.signature.size for output in settled(moved))


class Reporter:
    """Tells people, and the last line programs, what a run does. Safe to use from threads."""

    desc = "one line a move, then a summary (hygge)"

    def __init__(self, outstream: IO[str], options: dict[str, Any]) -> None:
        self._outlet = Outlet(outstream or sys.stdout)
        self.began = time.perf_counter()
        self.totals = Totals()
        self.flows: dict[str, Totals] = {}
        self._lock = threading.RLock()
        self._problems: list[str] = []
        self._others = 0
        self._counted: set[str] = set()
        self._live = (
            LiveBlock(self._outlet, self.flows, _note) if _is_terminal(self._outlet) else None
        )

    def initialize(self, all_tasks: dict[str, Task], selected: list[str]) -> None:
        """Count what is to be done."""
        wanted = set(selected)
        for flow, count in left_out(all_tasks, selected).items():
            for totals in (self.totals, self.flows.setdefault(flow, Totals())):
                totals.unchanged += count
        for task in all_tasks.values():
            if isinstance(task, PartitionTask):
                self._counted.add(task.name)
                totals = self.flows.setdefault(task.subtask_of, Totals())
                file = task.subtask_of.partition(".")[0]
                if not wanted.isdisjoint((task.name, task.subtask_of, file)):
                    totals.stale += task.decision.reason is not None

    def get_status(self, task: Task) -> None:
        """Count what was found out only while others were moved."""
        if isinstance(task, PartitionTask) and task.name not in self._counted:
            self._counted.add(task.name)
            totals = self.flows.setdefault(task.subtask_of, Totals())
            totals.stale += task.decision.reason is not None

    def execute_task(self, task: Task) -> None:
        """Show that *task* begins."""
        if isinstance(task, PartitionTask):
            if self._live is not None:
                self._live.start(task.name)
            return
        self._others += 1
        if isinstance(task, BrokenFlowTask):
            return
        if task.actions and not task.name.startswith("_"):
            self._line(f".  {task.title()}")

    def add_success(self, task: Task) -> None:
        """Show what *task* did."""
        if not isinstance(task, PartitionTask):
            return
        with self._lock:
            reason = f"  ({task.decision.reason or 'source changed'})"
            for totals in (self.totals, self.flows[task.subtask_of]):
                if isinstance(task.action, MoveAction) and task.action.moved is not None:
                    totals.add(task.action.moved)
                else:
                    totals.removed += 1
        if isinstance(task.action, RemoveAction):
            self._line(f"{printable(task.name)}  removed{printable(reason)}")
        elif task.action.moved is not None:
            told = f"{_amount(task.action.moved)}{reason}"
            self._line(f"{printable(task.name)}  moved  {printable(told)}")
            for note in task.action.moved.notes:
                self._line(f"{printable(task.name)}  warning: {printable(note)}")
        self._done(task)

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """Show what went wrong with *task*, and what to do."""
        if isinstance(task, GroupTask) or not fail.report:
            return
        mine = [self.flows[task.subtask_of]] if isinstance(task, PartitionTask) else []
        kept_back = isinstance(fail, UnmetDependency)
        with self._lock:
            for totals in (self.totals, *mine):
                totals.not_run += kept_back
                totals.failed += not kept_back
        if kept_back:
            self._line(f"{printable(task.name)}  not run: {printable(fail.message)} failed")
        else:
            self._line(f"{printable(task.name)}  failed\n{_explained(fail)}")
        self._done(task)

    def skip_uptodate(self, task: Task) -> None:
        """Count *task*; users' own tasks are shown as doit shows them."""
        if isinstance(task, PartitionTask):
            self.totals.unchanged += 1
            self.flows[task.subtask_of].unchanged += 1
        elif not isinstance(task, GroupTask) and not task.name.startswith("_"):
            self._line(f"-- {task.title()}")

    def skip_ignore(self, task: Task) -> None:
        """Count *task*; users' own tasks are shown as doit shows them."""
        if isinstance(task, PartitionTask):
            self.totals.ignored += 1
            self.flows[task.subtask_of].ignored += 1
        elif not isinstance(task, GroupTask):
            self._line(f"!! {task.title()}")

    def cleanup_error(self, exception: BaseFail) -> None:
        """Keep what a teardown complains about for the end."""
        self._problems.append(exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        """Keep what doit complains about for the end."""
        self._problems.append(msg)

    def teardown_task(self, task: Task) -> None:
        """Do nothing: a teardown is no news."""

    def complete_run(self) -> None:
        """Sum up; the last line is for programs.

        Raises:
            OSError: Not all that the run had to say could be written; it is done all the same.
        """
        if self._live is not None:
            self._live.stop()
        for problem in self._problems:
            self._line(problem.rstrip())
        seconds = time.perf_counter() - self.began
        self._line(self._sentence())
        totals = self.totals
        self._line(
            f"hygge: moved={totals.moved} unchanged={totals.unchanged} failed={totals.failed} "
            f"removed={totals.removed} rows={totals.rows} "
            f"bytes={amount_of_bytes(totals.bytes)} time={seconds:.1f}s"
        )
        self._outlet.complain()

    def _sentence(self) -> str:
        """Return what happened in one sentence for people."""
        totals = self.totals
        done = totals.moved + totals.removed
        stale = sum(each.stale for each in self.flows.values())
        if tasks.current.stopped_by:
            return f"Stopped: {done} of {stale} moved; run `doit` to go on."
        parts = []
        if totals.moved:
            parts.append(f"{_partitions(totals.moved)} moved")
        if totals.removed:
            parts.append(f"{_partitions(totals.removed)} removed")
        if totals.failed:
            parts.append(f"{totals.failed} failed")
        if totals.not_run:
            parts.append(f"{totals.not_run} not run")
        if totals.unchanged:
            parts.append(f"{totals.unchanged:,} up to date")
        if totals.ignored:
            parts.append(f"{totals.ignored:,} ignored")
        if totals.failed:
            left = stale - done - totals.failed - totals.not_run - totals.ignored
            if left > 0:
                parts.append(f"{left:,} not tried (`doit --continue` goes on after a failure)")
            return f"{', '.join(parts)}. What failed is tried again by the next `doit`."
        if not self.flows and not self._others:
            return "No partitions: a first flow is two lines in flows/NAME.yml, home and store."
        if not done:
            return f"Nothing to move: {', '.join(parts) or 'no partitions'}."
        return f"{', '.join(parts)}."

    def _done(self, task: Task) -> None:
        if self._live is not None:
            self._live.done(task.name)

    def _line(self, text: str) -> None:
        text = "\n".join(map(printable, hide(text).split("\n")))
        with self._lock:
            if self._live is not None:
                self._live.line(text)
            else:
                self._outlet.write(text + "\n")
                self._outlet.flush()


def _explained(fail: BaseFail) -> str:
    """Return a failure's message as ``error: …``; a traceback only where it was asked for."""
    message = str(fail.message)
    first, _, rest = message.partition("\n")
    if rest.startswith("Traceback") and not tasks.current.debug:
        return f"error: {first}\n  try: `doit --debug`, and report what it shows"
    return f"error: {message.rstrip()}\n{''.join(fail.traceback)}".rstrip()


def _amount(moved: Moved) -> str:
    outputs = settled(moved)
    size = amount_of_bytes(sum(output.signature.size for output in outputs))
    seconds = f"{moved.receipt.seconds:.2f}s"
    if any(output.rows is None for output in outputs):
        return f"{size}  {seconds}"
    rows = sum(output.rows or 0 for output in outputs)
    return f"{rows:,} row{'' if rows == 1 else 's'}  {size}  {seconds}"


def _partitions(count: int) -> str:
    return f"{count:,} partition" + ("" if count == 1 else "s")


def _note() -> str:
    """Return what is to be known while the run goes on."""
    if tasks.current.stopped_by:
        return "Stopping when what is in flight is done; Ctrl-C again stops at once."
    return ""


def _is_terminal(outlet: Outlet) -> bool:
    """Tell whether *outlet* is a terminal on which lines can be drawn anew."""
    is_plain = os.environ.get("TERM", "") in ("", "dumb", "unknown")
    return outlet.isatty() and not is_plain and not os.environ.get("CI")
