"""This is where it is decided, once for all who ask, whether and why a partition is stale."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge.errors import HyggeError
from hygge.fingerprint import ContentHashes, Signature, is_regular
from hygge.partition import Partition, Source
from hygge.receipt import Output, ReadSource, Receipt
from hygge.seal import numbers_of, packed

if TYPE_CHECKING:
    from hygge.prepared import Prepared
    from hygge.standing import Standing


_HASH = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")

LONGEST_VALUE = 80
"""Characters of a value of the configuration that a reason shows."""

MOST_CHANGES = 10
"""Files that a reason names before it only counts."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a partition is stale."""

    kind: str
    """One of the reasons in docs/deciding.md."""
    detail: str = ""
    """Old and new, for people; empty if the kind says all."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


@dataclass(frozen=True)
class Remembered:
    """What the state knows of one partition."""

    receipt: Receipt | None = None
    """None if it was never moved, or that was forgotten."""
    doubted: bool = False
    """Whether its last run did not end cleanly, so that its outputs must be read again."""
    failure: str = ""
    """Message of its last move, if that failed."""


@dataclass(frozen=True)
class Wanted:
    """What the flow asks of one partition."""

    config_hash: str
    found: Callable[[], tuple[str, ...]]
    """Returns what lies in the store that only this partition can have written."""
    config_change: Callable[[str], str]
    """Tells in words how the configuration with a hash differs from the present one."""
    forced: bool = False
    inputs: tuple[Source, ...] = ()
    """Files of the other tables that the flow reads, in order of the tables' names."""
    by_path: bool = False
    """Whether the folder that a source lies in can change the result."""


@dataclass(frozen=True)
class Decision:
    """What was decided for one partition."""

    task: str
    """``flow:key``."""
    partition: Partition | None
    """None if its source is gone, so that its outputs are to go too."""
    reason: Reason | None
    """None if it is up to date."""
    receipt: Receipt | None
    """What is remembered of the last move; with fresh signatures where it is up to date."""
    refreshed: bool = False
    """Whether `receipt` has signatures that are not in the state yet."""


@dataclass(frozen=True)
class FlowPlan:
    """What was decided for one flow."""

    name: str
    prepared: Prepared | None
    """None if the flow can't be used; `error` says why."""
    decisions: tuple[Decision, ...] = ()
    """In natural order of the keys, what is to be removed last."""
    error: HyggeError | None = None
    """Why nothing of this flow can be moved; None if all is well."""
    put_off: bool = False
    """Whether it can be decided only after the flows that this one waits for were moved."""
    waits_for: tuple[str, ...] = ()
    """Flows whose move may bring partitions that are not known yet."""
    standing: Standing | None = None
    """Partitions for which there is no decision, all of them being known to be up to date; None
    if there are none."""

    @property
    def is_renewed(self) -> bool:
        """Whether files of partitions without a decision look another, and are the same."""
        return self.standing is not None and self.standing.is_new

    @property
    def sealed(self) -> int:
        """How many partitions are known to be up to date without a decision."""
        return self.standing.count if self.standing is not None else 0

    def is_settled(self, begun: Collection[str] = ()) -> bool:
        """Tell whether a run would leave the flow's store as it is.

        Args:
            begun: Tasks of whose moves, begun by killed runs, something may have to be removed.
        """
        waits = any(each.reason is not None or each.task in begun for each in self.decisions)
        return self.error is None and not self.put_off and not waits

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet where all of its partitions will settle."""
        return self.put_off or any(
            each.reason is not None
            and each.partition is not None
            and self.prepared is not None
            and self.prepared.store.spreads
            for each in self.decisions
        )

    def outputs(self) -> Iterator[str]:
        """Yield where the partitions that are there now settle, as far as it is known."""
        if self.standing is not None:
            yield from self.standing.outputs()
        for decision in self.decisions if self.prepared else ():
            if decision.partition is not None and self.prepared is not None:
                yield from self.prepared.store.outputs(decision.partition)
                if decision.receipt is not None and decision.reason is None:
                    yield from (output.path for output in decision.receipt.outputs)


@dataclass
class Look:
    """A look at the disk, in which no file is read twice."""

    root: Path
    hashes: ContentHashes
    sealed: Callable[[], Mapping[str, tuple[bytes, str]]] = dict
    """Returns what seals know of files by their paths: numbers, as `packed`, and content hash."""

    def source(self, source: Source, remembered: ReadSource | None) -> ReadSource | None:
        """Return *source* with its content hash, or None if it can't be read.

        The bytes are read only where the *remembered* signature proves nothing.
        """
        now = source.signature
        if now is None:
            return None
        if remembered is not None and remembered.signature.proves(now):
            return dataclasses.replace(remembered, path=source.path)
        try:
            digest = self._digest(source.path, now)
        except OSError:
            return None
        return ReadSource(source.path, digest, now)

    def _digest(self, path: str, now: Signature) -> str:
        """Return the content hash of the file at *path*; raises OSError."""
        numbers, digest = self.sealed().get(path, (b"", ""))
        if numbers == packed([numbers_of(now)]):
            return digest
        return self.hashes.read(os.path.join(self.root, path), now)

    def output(self, output: Output, doubted: bool) -> Output | None:
        """Return *output* as it is now, with its remembered hash; None if it is gone or changed."""
        path = os.path.join(self.root, output.path)
        try:
            # lstat: an output that has become a link is not what was written.
            stat = os.lstat(path)
            now = Signature.of(stat)
            if output.signature.proves(now) and not doubted:
                return output
            if not is_regular(stat):
                return None
            digest = self.hashes.read(path, now) if doubted else self._digest(output.path, now)
            if digest != output.hash:
                return None
        except OSError:
            return None
        return dataclasses.replace(output, signature=now)

    def exists(self, output: str) -> bool:
        """Tell whether anything lies at *output*."""
        return os.path.lexists(os.path.join(self.root, output))


def decide(
    task: str, partition: Partition, remembered: Remembered, wanted: Wanted, look: Look
) -> Decision:
    """Decide whether *partition* is stale, and why.

    It is up to date if and only if the content of its sources, its configuration and the content
    of its outputs are those of its receipt. Signatures only save reading.
    """
    receipt = remembered.receipt
    if receipt is None:
        return Decision(task, partition, _never_moved(remembered, wanted), None)
    reason = _asked_for(remembered, wanted, receipt)
    if reason is not None:
        return Decision(task, partition, reason, receipt)
    sources = _sources(partition, receipt, wanted.by_path, look)
    if isinstance(sources, Reason):
        return Decision(task, partition, sources, receipt)
    inputs = _inputs(wanted.inputs, receipt, look)
    if isinstance(inputs, Reason):
        return Decision(task, partition, inputs, receipt)
    outputs = _outputs(receipt, remembered.doubted, look)
    if isinstance(outputs, Reason):
        return Decision(task, partition, outputs, receipt)
    fresh = dataclasses.replace(receipt, sources=sources, inputs=inputs, outputs=outputs)
    return Decision(task, partition, None, fresh, fresh != receipt or remembered.doubted)


def _never_moved(remembered: Remembered, wanted: Wanted) -> Reason:
    if wanted.forced:
        return Reason("forced")
    if remembered.failure:
        return Reason("last move failed", _first_line(remembered.failure))
    found = wanted.found()
    if found:
        return Reason("state lost", f"'{found[0]}' is there, but nothing is remembered of it")
    return Reason("new")


def _asked_for(remembered: Remembered, wanted: Wanted, receipt: Receipt) -> Reason | None:
    if wanted.forced:
        return Reason("forced")
    if remembered.failure:
        return Reason("last move failed", _first_line(remembered.failure))
    if receipt.config != wanted.config_hash:
        return Reason("config changed", wanted.config_change(receipt.config))
    return None


def _sources(
    partition: Partition, receipt: Receipt, by_path: bool, look: Look
) -> tuple[ReadSource, ...] | Reason:
    """Return the sources with their hashes, or the reason for which they make it stale."""
    if partition.values != receipt.values:
        return Reason("source changed", f"{_pairs(receipt.values)} -> {_pairs(partition.values)}")
    if len(partition.sources) == len(receipt.sources) == 1:
        # A single source is the same wherever it has been moved to, but not under another name:
        # the name tells how it is read.
        paths = [each.path for each in (*receipt.sources, *partition.sources)]
        names = paths if by_path else [path.rpartition("/")[2] for path in paths]
        if names[0] != names[1]:
            return Reason("source changed", f"'{names[0]}' -> '{names[1]}'")
        pairs = [(partition.sources[0], receipt.sources[0])]
    else:
        changes = _comings_and_goings(receipt.sources, partition.sources)
        if changes:
            return Reason("source added/removed to the group", changes)
        pairs = _paired(receipt.sources, partition.sources)
    found = []
    for source, remembered in pairs:
        read = look.source(source, remembered)
        if read is None:
            return Reason("source changed", f"'{source.path}' can't be read")
        if read.hash != remembered.hash:
            name = read.path if len(pairs) > 1 else read.path.rpartition("/")[2]
            return Reason("source changed", _difference(remembered, read, name))
        found.append(read)
    return tuple(found)


def _inputs(
    inputs: tuple[Source, ...], receipt: Receipt, look: Look
) -> tuple[ReadSource, ...] | Reason:
    """Return the inputs with their hashes, or the reason for which they make it stale."""
    changes = _comings_and_goings(receipt.inputs, inputs)
    if changes:
        return Reason("upstream changed", f"inputs {changes}")
    found = []
    for source, remembered in _paired(receipt.inputs, inputs):
        read = look.source(source, remembered)
        if read is None:
            return Reason("upstream changed", f"the input '{source.path}' can't be read")
        if read.hash != remembered.hash:
            return Reason(
                "upstream changed", f"the input {_difference(remembered, read, read.path)}"
            )
        found.append(read)
    return tuple(found)


def _comings_and_goings(before: Sequence[ReadSource], now: Sequence[Source]) -> str:
    """Return which files were added and which are gone, shortened; empty if they are the same."""
    old, new = {each.path for each in before}, {each.path for each in now}
    changes = [f"+{each.path}" for each in now if each.path not in old]
    changes += [f"-{each.path}" for each in before if each.path not in new]
    more = len(changes) - MOST_CHANGES
    return ", ".join(changes[:MOST_CHANGES]) + (f" and {more:,} more" if more > 0 else "")


def _paired(before: Sequence[ReadSource], now: Sequence[Source]) -> list[tuple[Source, ReadSource]]:
    by_path = {each.path: each for each in before}
    return [(source, by_path[source.path]) for source in now]


def _outputs(receipt: Receipt, doubted: bool, look: Look) -> tuple[Output, ...] | Reason:
    """Return the outputs as they are, or the reason for which they make it stale."""
    found = []
    for output in receipt.outputs:
        now = look.output(output, doubted)
        if now is None:
            there = look.exists(output.path)
            kind = "output changed outside hygge" if there else "output missing"
            return Reason(kind, f"'{output.path}'")
        found.append(now)
    return tuple(found)


def _pairs(values: tuple[tuple[str, str | None], ...]) -> str:
    return "/".join(f"{name}={value}" for name, value in values) or "(nothing captured)"


def _difference(old: ReadSource, new: ReadSource, name: str) -> str:
    content = f"content {old.hash[:8]} -> {new.hash[:8]}"
    if old.signature.size == new.signature.size:
        return f"'{name}', {content}, same size"
    return f"'{name}', {content}, {old.signature.size:,} -> {new.signature.size:,} bytes"


def config_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return in words which keys of the configuration changed, old -> new."""
    before, now = _flat(old), _flat(new)
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    return ", ".join(f"{key}: {_word(before.get(key))} -> {_word(now.get(key))}" for key in changed)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            result |= _flat(value, f"{prefix}{key}.")
        else:
            result[prefix + key] = value
    return result


def _word(value: Any) -> str:
    text = "(not set)" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
    text = _HASH.sub(r"\1…", " ".join(text.split()))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _first_line(text: str) -> str:
    return text.split("\n")[0]
