"""This is where Python code plans and runs a project, as the command line does."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge import project as projects
from hygge.document import Document
from hygge.errors import ConfigError, HyggeError, UsageError
from hygge.notebook.child import NOTHING_STARTED, Child, Ended
from hygge.notebook.flow import Flow
from hygge.notebook.outcome import KnownFlow, Planned, PlannedStep, Result, result_of
from hygge.notebook.told import error_in, hidden, secrets_hidden

if TYPE_CHECKING:
    from hygge.commands.reading import Opened
    from hygge.plan import FlowPlan
    from hygge.prepared import Prepared


class Coordinator:
    """A project: the flows in its files, and *flows* that were written in Python.

    A plan is made in this process. A run is a process of its own, in the project's root, so that
    it locks, stops and counts as `doit` does; this process keeps its folder and prints nothing.

    Args:
        root: The project's root; found from the current folder upwards if it is not given.
        flows: Flows beside those in files.

    Raises:
        UsageError: There is no such folder, or no project.
        ConfigError: Two flows have the same name, or one of *flows* can't be written down.
    """

    def __init__(
        self, root: str | os.PathLike[str] | None = None, flows: Iterable[Flow] = ()
    ) -> None:
        given = tuple(flows)
        self.root = _root(root, bool(given))
        """Absolute; relative paths in flows start here."""
        self._given: dict[str, Flow] = {}
        for flow in given:
            if flow.name in self._given:
                what, where = f"two flows are called '{flow.name}'", f"{flow.called}, given twice"
                raise ConfigError(what, where, "rename one of them")
            self._given[flow.name] = flow
        with secrets_hidden():
            self._documents()

    @property
    def flows(self) -> dict[str, KnownFlow]:
        """The flows and entities by name, each after those it waits for, broken ones first.

        Raises:
            HyggeError: Nothing can be known of this project, or two flows have the same name.
        """
        with secrets_hidden():
            opened = self._opened()
            try:
                return {flow.name: flow for flow in map(_known, opened.coordinator.prepared())}
            finally:
                opened.state.dump()

    def plan(
        self,
        select: str | Iterable[str] | None = None,
        *,
        forced: bool = False,
        allow_prune: bool = False,
        keep_going: bool = False,
    ) -> Planned:
        """Return what a run would do, as `doit plan`. Moves nothing, takes no lock.

        Args:
            select: Flows, partitions or patterns, named as on the command line; None for all.
            forced: Whether everything counts as stale.
            allow_prune: Whether a home may lose more than half of its partitions.
            keep_going: Whether flows that can't be used are only told of, in ``errors``.

        Raises:
            HyggeError: A flow can't be used, or a name stands for nothing.
        """
        from hygge.commands.plan import Plan
        from hygge.tasks import ProjectLoader

        names = _names(select)
        if names == []:
            return Planned()
        with secrets_hidden():
            opened = self._opened(forced=forced, allow_prune=allow_prune)
            try:
                answer = Plan(ProjectLoader()).answer(opened, {"check": False}, names or [])
            finally:
                opened.state.dump()
            if answer.problems and not keep_going:
                raise answer.problems[0]
        data = answer.data
        return Planned(
            **data["counts"],
            steps=tuple(_planned_step(each) for each in data["partitions"]),
            waiting={each["flow"]: tuple(each["waits_for"]) for each in data["waiting"]},
            errors=tuple(hidden(error) for error in answer.problems),
        )

    def run(
        self,
        select: str | Iterable[str] | None = None,
        *,
        forced: bool = False,
        threads: int = 1,
        keep_going: bool = False,
        wait: bool = False,
        allow_prune: bool = False,
    ) -> Result:
        """Bring up to date what is selected, as `doit`; return when that has ended.

        What fails is in the result. A Ctrl-C stops the run in good order first.

        Args:
            select: Flows, partitions, patterns or outputs, named as on the command line; None for
                all, an empty list for none.
            forced: Whether everything is moved, stale or not: ``-a``.
            threads: How many partitions are moved at a time: ``-n``.
            keep_going: Whether a run goes on after a failure, and without flows that can't be
                used: ``--continue``.
            wait: Whether to wait while another run holds the project: ``--wait``.
            allow_prune: Whether a home may lose more than half of its partitions.

        Raises:
            RunInProgress: Another run holds the project and *wait* is False.
            HyggeError: Nothing was started: a flow can't be used, a name stands for nothing.
            KeyboardInterrupt: After what was in flight has been finished.
        """
        names = _names(select)
        if names == []:
            return Result("succeeded", 0)
        words = _words(names, forced, threads, keep_going, wait, allow_prune)
        with secrets_hidden():
            return self._result(self._child(words).wait_passing_on_interrupts())

    async def run_async(
        self,
        select: str | Iterable[str] | None = None,
        *,
        forced: bool = False,
        threads: int = 1,
        keep_going: bool = False,
        wait: bool = False,
        allow_prune: bool = False,
    ) -> Result:
        """Do as `run` does, while other tasks of the event loop go on.

        When it is cancelled, the run stops in good order first.
        """
        names = _names(select)
        if names == []:
            return Result("succeeded", 0)
        words = _words(names, forced, threads, keep_going, wait, allow_prune)
        with secrets_hidden():
            child = await asyncio.to_thread(self._child, words)
            ended = asyncio.ensure_future(asyncio.to_thread(child.wait))
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:
                child.interrupt(signal.SIGTERM)
                await ended
                raise
            return await asyncio.to_thread(self._result, ended.result())

    def _documents(self) -> dict[str, Document]:
        return {name: flow.document(self.root) for name, flow in self._given.items()}

    def _opened(self, *, forced: bool = False, allow_prune: bool = False) -> Opened:
        """Return the project, ready to be looked at, with nothing locked."""
        # Imported here: the command line's own way, with what it imports.
        from hygge.commands.reading import Opened
        from hygge.coordinator import Coordinator as Deciding
        from hygge.coordinator import Options
        from hygge.fingerprint import ContentHashes
        from hygge.state import State
        from hygge.tasks import command_names

        project = dataclasses.replace(projects.load(self.root), given=self._documents())
        state = State(str(self.root / ".doit.db"))
        options = Options(forced, allow_prune, command_names())
        return Opened(project, state, Deciding(project, state, options, ContentHashes()))

    def _child(self, words: list[str]) -> Child:
        given = {name: (flow.called, flow.text(self.root)) for name, flow in self._given.items()}
        return Child(self.root, given, words)

    def _result(self, ended: Ended) -> Result:
        if ended.code != NOTHING_STARTED:
            return result_of(ended.code, ended.events, ended.printed)
        raise error_in(ended.printed, self._why_not())

    def _why_not(self) -> tuple[HyggeError, ...]:
        """Return what keeps runs of this project from being started, as far as a plan can tell."""
        try:
            return self.plan(keep_going=True).errors
        except HyggeError as error:
            return (error,)

    def __repr__(self) -> str:
        given = f", flows={[*self._given.values()]!r}" if self._given else ""
        return f"Coordinator({str(self.root)!r}{given})"


def _root(root: str | os.PathLike[str] | None, has_flows: bool) -> Path:
    if root is None:
        try:
            return projects.find_root(Path.cwd())
        except UsageError:
            if has_flows:
                return Path.cwd().resolve()
            raise
    folder = Path(root).resolve()
    if not folder.is_dir():
        raise UsageError("no project here", f"{folder}: no folder", "make it, or correct the path")
    return folder


def _names(select: str | Iterable[str] | None) -> list[str] | None:
    """Return the names that are selected; None for everything.

    Raises:
        UsageError: One would be taken for a variable of doit's, and everything would be run.
    """
    if select is None:
        return None
    names = [select] if isinstance(select, str) else list(select)
    for name in names:
        if "=" in name:
            what = f"'{name}' names no task: no name has a '='"
            raise UsageError(what, hint="the key of 'year=2013/month=1' is '2013/1'")
    return names


def _words(
    names: list[str] | None,
    forced: bool,
    threads: int,
    keep_going: bool,
    wait: bool,
    allow_prune: bool,
) -> list[str]:
    """Return what would be typed."""
    if threads < 1:
        raise UsageError(f"threads={threads}", hint="at least 1")
    options = (
        (forced, "--always-execute"),
        (keep_going, "--continue"),
        (wait, "--wait"),
        (allow_prune, "--allow-prune"),
        (threads > 1, f"--process={threads}"),
    )
    words = ["run", *(word for asked, word in options if asked)]
    return [*words, "--", *names] if names else words


def _known(found: Prepared | FlowPlan) -> KnownFlow:
    from hygge.plan import FlowPlan

    if isinstance(found, FlowPlan):
        return KnownFlow(found.name, "", error=found.error and hidden(found.error))
    flow = found.flow
    return KnownFlow(
        flow.name,
        flow.file,
        dict(found.flow.home.values),
        dict(found.flow.store.values),
        flow.description,
        found.upstream,
    )


def _planned_step(data: Mapping[str, Any]) -> PlannedStep:
    reason = data["reason"]
    rest = {key: value for key, value in data.items() if key != "reason"}
    return PlannedStep(**rest, reason=reason["kind"], detail=reason["detail"])
