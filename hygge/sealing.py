"""This is where a seal is made of what was decided, and of what stood of the seal before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hygge.plan import Decision, FlowPlan
from hygge.receipt import Output, ReadSource
from hygge.seal import DIGITS, Files, Seal, Seen, hash_of_rows, joined, key_of, numbers_of
from hygge.standing import Standing
from hygge.state import State

UNKNOWN = (0, 0, 0, 0)
"""Numbers of a file that has to be looked at each time."""

UNSEALED = "0" * DIGITS
"""Sum of a row, or hash of a file, that has to be looked at each time."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A partition, as a seal has it."""

    task: str
    total: str
    read: tuple[Seen, ...]
    written: tuple[Seen, ...]


def remember(state: State, plan: FlowPlan) -> None:
    """Remember what of a flow was found to be up to date, unless nothing of it is new."""
    prepared = plan.prepared
    if prepared is None or state.doubted():
        return
    # A contract holds the columns of partitions against each other.
    if prepared.gone or not prepared.contract.is_empty:
        return
    made = _made(plan, state.sums(plan.name), _set_aside(plan, state))
    if made is None and plan.standing is not None and plan.standing.is_new:
        made = plan.standing.seal
    if made is not None:
        state.remember_seal(plan.name, made.to_bytes())


def _set_aside(plan: FlowPlan, state: State) -> set[str]:
    return {each.task for each in plan.decisions if state.get(each.task, "ignore:")}


def _made(plan: FlowPlan, sums: Mapping[str, str], set_aside: Collection[str]) -> Seal | None:
    """Return the seal of a flow; None if no decision adds to what stands, or if inputs changed."""
    assert plan.prepared is not None
    sound = [each for each in plan.decisions if each.task not in set_aside and _is_sound(each)]
    inputs = {_seen(each.receipt.inputs) for each in sound if each.receipt is not None}
    if len(inputs) != 1:
        return None
    of_all = Files.of(sorted(next(iter(inputs))))
    standing = plan.standing
    if standing is not None and standing.seal.inputs != of_all:
        return None
    parts = [*_stood(standing)] if standing is not None else []
    parts += [_proved(each, sums) for each in sound]
    tasks = {each.task for each in sound}
    rest = [each for each in plan.decisions if each.task not in tasks]
    parts += [_unproved(each) for each in rest if each.partition is not None]
    rows = "" if rest else hash_of_rows(sums.values())
    return Seal(
        key_of(plan.prepared),
        rows,
        joined(part.task for part in parts),
        bytes.fromhex("".join(part.total for part in parts)),
        _files([part.read for part in parts]),
        of_all,
        _files([part.written for part in parts]),
    )


def _is_sound(decision: Decision) -> bool:
    """Tell whether *decision* would be the same as long as its files look the same."""
    if decision.reason is not None or decision.partition is None or decision.receipt is None:
        return False
    files: Sequence[ReadSource | Output] = (*decision.receipt.read, *decision.receipt.outputs)
    # A receipt that somebody else wrote may call anything a hash.
    return not any(each.signature.racy or not _is_hash(each.hash) for each in files)


def _is_hash(text: str) -> bool:
    return len(text) == DIGITS and _DIGITS.issuperset(text)


_DIGITS = frozenset("0123456789abcdef")


def _seen(files: Sequence[ReadSource | Output]) -> tuple[Seen, ...]:
    return tuple((each.path, numbers_of(each.signature), each.hash) for each in files)


def _proved(decision: Decision, sums: Mapping[str, str]) -> _Part:
    assert decision.receipt is not None
    read, written = _seen(decision.receipt.sources), _seen(decision.receipt.outputs)
    return _Part(decision.task, sums.get(decision.task, UNSEALED), read, written)


def _unproved(decision: Decision) -> _Part:
    assert decision.partition is not None
    read = tuple((each.path, UNKNOWN, UNSEALED) for each in decision.partition.sources)
    return _Part(decision.task, UNSEALED, read, ())


def _stood(standing: Standing) -> Iterator[_Part]:
    """Yield the partitions that stood."""
    seal = standing.seal
    text, tasks = seal.sums.hex(), standing.tasks
    if not tasks:
        return
    read = _by_owner(seal.read)
    written = _by_owner(seal.written)
    for task, number in tasks.items():
        total = text[number * DIGITS : number * DIGITS + DIGITS]
        yield _Part(task, total, tuple(read[number]), tuple(written.get(number, ())))


def _by_owner(files: Files) -> dict[int, list[Seen]]:
    found: dict[int, list[Seen]] = {}
    for seen, owner in files.owned():
        found.setdefault(owner, []).append(seen)
    return found


def _files(seen: Sequence[Sequence[Seen]]) -> Files:
    """Return the files of all partitions, in order of their paths."""
    owned = sorted((each, number) for number, of in enumerate(seen) for each in of)
    return Files.of([each for each, _ in owned], [number for _, number in owned])
