"""This is where it is told of one partition what changed since its last move, and what it touches.

What `decide` in hygge/plan.py found first is the reason that a run obeys; here everything that
differs is found, by the same look at the disk.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hygge.coordinator import Coordinator, Plan
from hygge.errors import HyggeError
from hygge.fingerprint import Signature, config_hash, is_regular
from hygge.partition import Partition, Source
from hygge.paths import real
from hygge.plan import Decision, FlowPlan
from hygge.prepared import Prepared
from hygge.receipt import Output, ReadSource, Receipt
from hygge.shape import columns_of, columns_written
from hygge.transform import Context
from hygge.variables import concealed

Described = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """Something that is not as it was at the last move."""

    about: str
    """``source``, ``input``, ``captured``, ``config``, ``output`` or ``column``."""
    name: str
    """A path, a key of the configuration, or the name of a column."""
    how: str
    """``changed``, ``added``, ``removed`` or ``unreadable``."""
    old: Described | None
    """What it was; None if it was not there."""
    new: Described | None
    """What it is; None if it is not there, or can't be read."""


@dataclass(frozen=True)
class Dependency:
    """A file that a partition is made of."""

    path: str
    role: str
    """``source``, or ``input NAME``."""
    size: int | None
    """Bytes; None if it can't be read."""
    written_by: str | None
    """The task that wrote it; None if no flow did."""


@dataclass(frozen=True)
class Explanation:
    """All that is known of one partition."""

    decision: Decision
    receipt: Receipt | None
    """What is remembered of its last move."""
    ignored: bool
    """Whether it was set aside with ``doit ignore``."""
    failure: str
    """Message of its last move, if that failed."""
    changes: tuple[Change, ...]
    """In the order in which they are looked for."""
    depends_on: tuple[Dependency, ...]
    needed_by: tuple[str, ...]
    """Tasks that read an output of it when they were last moved."""
    flows_behind: tuple[str, ...]
    """Flows that wait for the flow of the partition."""
    columns_unknown: str = ""
    """Why columns can't be compared; empty if they were, or need not be."""

    @property
    def state(self) -> str:
        """``ignored``, ``stale`` or ``up to date``."""
        if self.ignored:
            return "ignored"
        return "up to date" if self.decision.reason is None else "stale"


@dataclass(frozen=True)
class Explainer:
    """Explains partitions of one plan."""

    coordinator: Coordinator
    plan: Plan

    def explain(self, flow: FlowPlan, decision: Decision) -> Explanation:
        """Tell all about the partition of *decision*; reads its files where times prove nothing."""
        state, task = self.coordinator.state, decision.task
        receipt = state.receipt(task)
        changes = list(self._changes(flow, decision, receipt))
        columns, unknown = self._columns(flow, decision, receipt, changes)
        changes += columns
        return Explanation(
            decision,
            receipt,
            bool(state.get(task, "ignore:")),
            state.failures().get(task, ""),
            tuple(changes),
            tuple(self._depends_on(flow, decision)),
            tuple(self._needed_by(flow, receipt)),
            self.plan.behind.get(flow.name, ()),
            unknown,
        )

    def _changes(
        self, flow: FlowPlan, decision: Decision, receipt: Receipt | None
    ) -> Iterator[Change]:
        if receipt is None or flow.prepared is None:
            return
        if decision.partition is None:
            for each in receipt.sources:
                yield Change("source", each.path, "removed", _read(each), None)
            return
        yield from _config_changes(
            self.coordinator.state.config(receipt.config), flow.prepared, receipt
        )
        yield from self._captured(decision.partition, receipt)
        yield from self._sources(decision.partition, receipt)
        yield from self._files("input", receipt.inputs, flow.prepared.input_sources)
        yield from self._outputs(decision.task, receipt)

    def _captured(self, partition: Partition, receipt: Receipt) -> Iterator[Change]:
        old, new = dict(receipt.values), dict(partition.values)
        yield from _differences("captured", old, new)

    def _sources(self, partition: Partition, receipt: Receipt) -> Iterator[Change]:
        now, before = partition.sources, receipt.sources
        if len(now) == len(before) == 1 and now[0].path != before[0].path:
            found = self.coordinator.look.source(now[0], before[0])
            if found is None or found.hash != before[0].hash or _name(now[0]) != _name(before[0]):
                new = None if found is None else _read(found)
                how = "changed" if new else "unreadable"
                yield Change("source", now[0].path, how, _read(before[0]), new)
            return
        yield from self._files("source", before, now)

    def _files(
        self, about: str, before: Sequence[ReadSource], now: Sequence[Source]
    ) -> Iterator[Change]:
        old, there = {each.path: each for each in before}, {each.path for each in now}
        for source in now:
            remembered = old.get(source.path)
            if remembered is None:
                new = _described(source.path, None, source.signature)
                yield Change(about, source.path, "added", None, new)
                continue
            found = self.coordinator.look.source(source, remembered)
            if found is None:
                yield Change(about, source.path, "unreadable", _read(remembered), None)
            elif found.hash != remembered.hash:
                yield Change(about, source.path, "changed", _read(remembered), _read(found))
        for remembered in before:
            if remembered.path not in there:
                yield Change(about, remembered.path, "removed", _read(remembered), None)

    def _outputs(self, task: str, receipt: Receipt) -> Iterator[Change]:
        state, look = self.coordinator.state, self.coordinator.look
        doubted = state.run_of(task) in state.doubted()
        for output in receipt.outputs:
            if look.output(output, doubted) is not None:
                continue
            old = {**_described(output.path, output.hash, output.signature), "rows": output.rows}
            new = self._lying_at(output)
            yield Change("output", output.path, "removed" if new is None else "changed", old, new)

    def _lying_at(self, output: Output) -> Described | None:
        path = os.path.join(self.coordinator.look.root, output.path)
        try:
            stat = os.lstat(path)
            now = Signature.of(stat)
            digest = self.coordinator.look.hashes.read(path, now) if is_regular(stat) else None
        except OSError:
            return {"path": output.path} if os.path.lexists(path) else None
        return _described(output.path, digest, now)

    def _columns(
        self,
        flow: FlowPlan,
        decision: Decision,
        receipt: Receipt | None,
        changes: Iterable[Change],
    ) -> tuple[Iterable[Change], str]:
        """Return how the columns differ, or why that can't be told without a move.

        They are looked at only if there is a change that may have changed them.
        """
        prepared, partition = flow.prepared, decision.partition
        may_differ = {each.about for each in changes} & {"source", "input", "captured", "config"}
        if receipt is None or partition is None or prepared is None or not may_differ:
            return (), ""
        if prepared.transform.function is not None:
            return (), "a Python function makes them"
        import polars as pl

        try:
            remembered = self.coordinator.state.columns(receipt.columns) if receipt.columns else ()
            old = remembered or columns_written(prepared, receipt)
            inputs = {name: each.scan(name) for name, each in prepared.inputs.items()}
            context = Context(partition, inputs, datetime.datetime.now(datetime.UTC))
            new = columns_of(prepared.transform.apply(prepared.home.scan(partition), context))
        except (HyggeError, pl.exceptions.PolarsError, OSError, IndexError) as error:
            return (), str(error).split("\n")[0]
        return list(_differences("column", dict(old), dict(new))), ""

    def _depends_on(self, flow: FlowPlan, decision: Decision) -> Iterator[Dependency]:
        if decision.partition is None or flow.prepared is None:
            return
        root = flow.prepared.root
        writers = {
            real(output.path, root): each.task
            for before in self.plan.flows
            if before.name in flow.prepared.ancestors
            for each in before.decisions
            if each.receipt is not None
            for output in each.receipt.outputs
        }
        roles = [("source", decision.partition.sources)]
        roles += [(f"input {name}", each.sources) for name, each in flow.prepared.inputs.items()]
        for role, sources in roles:
            for each in sources:
                size = each.signature.size if each.signature else None
                writer = writers.get(real(each.path, root)) if writers else None
                yield Dependency(each.path, role, size, writer)

    def _needed_by(self, flow: FlowPlan, receipt: Receipt | None) -> Iterator[str]:
        state = self.coordinator.state
        written = {output.path for output in receipt.outputs} if receipt else set()
        behind = self.plan.behind.get(flow.name, ()) if written else ()
        for name in behind:
            for task in state.tasks_of(name):
                if not written.isdisjoint(state.get(task, "deps:") or ()):
                    yield task


def _name(file: Source | ReadSource) -> str:
    return file.path.rpartition("/")[2]


def _read(file: ReadSource) -> Described:
    return _described(file.path, file.hash, file.signature)


def _described(path: str, digest: str | None, signature: Signature | None) -> dict[str, Any]:
    if signature is None:
        return {"path": path, "hash": digest, "size_bytes": None, "modified": None}
    modified = instant(signature.mtime_ns)
    return {"path": path, "hash": digest, "size_bytes": signature.size, "modified": modified}


def instant(nanoseconds: int) -> str:
    """Return *nanoseconds* since the epoch as events write it: ``2026-11-21T08:30:00.123Z``."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        whole = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return "unknown"
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03}Z"


def _config_changes(
    old: Mapping[str, Any], prepared: Prepared, receipt: Receipt
) -> Iterator[Change]:
    new = prepared.config
    if receipt.config != config_hash(new):
        yield from _differences("config", dict(_keys(old)), dict(_keys(concealed(new))))


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of *config* with its value, ``home.options.separator`` for those inside."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


def _differences(about: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield Change(about, name, "removed", {"value": old[name]}, None)
        elif name not in old:
            yield Change(about, name, "added", None, {"value": new[name]})
        elif old[name] != new[name]:
            yield Change(about, name, "changed", {"value": old[name]}, {"value": new[name]})
