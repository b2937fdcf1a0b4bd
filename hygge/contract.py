"""This is where it is decided whether the columns of a partition fit those of its store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hygge.datatypes import canonical_name, known_names
from hygge.errors import ConfigError, ContractBroken, nearest
from hygge.flow import Section

Columns = tuple[tuple[str, str], ...]
"""Names of columns with the names of their types, in order."""


@dataclass(frozen=True)
class Contract:
    """What columns a store may have."""

    mode: str = ""
    """``evolve`` or ``freeze``; empty if the columns are written out, or anything goes."""
    columns: Columns = ()
    """The columns that are written out, with the canonical names of their types."""
    section: Section | None = None
    """Where it was written; None if anything goes."""

    @classmethod
    def create(cls, section: Section | None) -> Contract:
        """Read the contract that *section* is; None lets anything go.

        Raises:
            ConfigError: No column is named, or a type is unknown.
        """
        if section is None:
            return cls()
        if "mode" in section.values:
            return cls(mode=section.values["mode"], section=section)
        written = section.values["columns"]
        if not written:
            what = "'schema' names no columns"
            raise section.error(ConfigError, what, "name each column with its type, or remove it")
        types = tuple((name, _canonical(section, name, each)) for name, each in written.items())
        return cls(columns=types, section=section)

    @property
    def is_empty(self) -> bool:
        """Whether anything goes."""
        return self.section is None

    @property
    def is_frozen(self) -> bool:
        """Whether the columns that are in the store are the only ones it may have."""
        return self.mode == "freeze"

    def fingerprint(self) -> str | dict[str, str] | None:
        """Return what of the contract can change what is moved, for the config hash."""
        return None if self.is_empty else self.mode or dict(self.columns)

    def compare(
        self, task: str, columns: Columns, known: Iterable[tuple[str, Columns]]
    ) -> tuple[str, ...]:
        """Hold the *columns* that *task* is about to write against what the store may have.

        Args:
            known: The partitions that are in the store and stay, by task; *task* itself only if
                it may not change either. The first of those with equal columns is the one that
                is named. Linear in their number, and cheapest where equal columns are the same
                object.

        Returns:
            What people should know under ``evolve``, a line each: columns that are new, missing,
            wider or narrower than in the store.

        Raises:
            ContractBroken: They don't fit.
        """
        if self.is_empty:
            return ()
        if self.columns:
            self._check_same(task, columns, "the ones that 'schema' names", self.columns)
            return ()
        others = _distinct(known)
        for other, theirs in others:
            if self.is_frozen:
                whose = "those it had" if other == task else f"those of '{other}'"
                self._check_same(task, columns, whose, theirs)
            else:
                self._check_types(task, columns, other, theirs)
        return () if self.is_frozen else tuple(_news(task, dict(columns), others))

    def misfits(self, known: Iterable[tuple[str, Columns]]) -> dict[str, str]:
        """Return the tasks whose columns don't fit those of one before it, by task.

        Each is accepted by itself, at a time when the other was about to change; built from
        nothing, in this order, they would be refused.
        """
        accepted: dict[Columns, str] = {}
        refused: dict[Columns, str] = {}
        found: dict[str, str] = {}
        for task, columns in known if self.mode == "evolve" else ():
            if columns not in accepted and columns not in refused:
                other = self._unfit(columns, accepted)
                (refused if other else accepted)[columns] = other or task
            if columns in refused:
                found[task] = refused[columns]
        return found

    def _unfit(self, columns: Columns, accepted: Mapping[Columns, str]) -> str:
        for theirs, other in accepted.items():
            try:
                self._check_types("", columns, other, theirs)
            except ContractBroken:
                return other
        return ""

    def _check_same(self, task: str, columns: Columns, whose: str, wanted: Columns) -> None:
        difference = Difference.of(dict(wanted), dict(columns))
        if difference.is_empty:
            return
        way_out = "write 'schema: evolve'" if self.mode else "change 'schema'"
        what = f"the columns of '{task}' are not {whose}"
        raise self._broken(what, difference, f"{difference.remedy()}, or {way_out}")

    def _check_types(self, task: str, columns: Columns, other: str, theirs: Columns) -> None:
        before, now = dict(theirs), dict(columns)
        changed = tuple(
            (name, before[name], dtype)
            for name, dtype in now.items()
            if name in before and not (fits(dtype, before[name]) or fits(before[name], dtype))
        )
        if changed:
            difference = Difference(changed)
            what = f"the columns of '{task}' do not fit those of '{other}'"
            raise self._broken(what, difference, difference.remedy())

    def _broken(self, what: str, difference: Difference, hint: str) -> ContractBroken:
        if self.section is None:
            raise TypeError("a contract that was not written can't be broken")
        return self.section.error(ContractBroken, f"{what}\n{difference}", hint)


@dataclass(frozen=True)
class Difference:
    """How the columns of a partition differ from others."""

    changed: tuple[tuple[str, str, str], ...] = ()
    """Name, type of the others, type here."""
    added: Columns = ()
    """Here only."""
    missing: Columns = ()
    """In the others only."""

    @classmethod
    def of(cls, theirs: Mapping[str, str], ours: Mapping[str, str]) -> Difference:
        """Compare *ours* to *theirs*, whatever their order."""
        return cls(
            tuple((n, theirs[n], t) for n, t in ours.items() if n in theirs and theirs[n] != t),
            tuple((n, t) for n, t in ours.items() if n not in theirs),
            tuple((n, t) for n, t in theirs.items() if n not in ours),
        )

    @property
    def is_empty(self) -> bool:
        """Whether both have the same columns."""
        return not (self.changed or self.added or self.missing)

    def remedy(self) -> str:
        """Return what to do about the first column that differs."""
        if self.changed:
            name, theirs, _ = self.changed[0]
            return f"cast '{name}': transform: {{cast: {{{_quoted(name)}: {_quoted(theirs)}}}}}"
        if self.added:
            return f"leave '{self.added[0][0]}' out by 'select' under 'transform'"
        return f"restore '{self.missing[0][0]}' at the source"

    def __str__(self) -> str:
        lines = [(" ", name, f"{before} -> {now}") for name, before, now in self.changed]
        lines += [("+", *each) for each in self.added]
        lines += [("-", *each) for each in self.missing]
        width = max(len(name) for _, name, _ in lines)
        return "\n".join(f"  {sign} {name:{width}} {types}" for sign, name, types in lines)


def _quoted(name: str) -> str:
    """Return *name* as it can stand in a YAML mapping in braces."""
    return name if name.isidentifier() else "'" + name.replace("'", "''") + "'"


def _canonical(section: Section, column: str, written: str) -> str:
    canonical = canonical_name(written)
    if canonical is None:
        near = nearest(written.lower(), known_names())
        hint = f"did you mean '{near}'?" if near else "as polars or SQL call it: int64"
        raise ConfigError(f"no type '{written}'", str(section.place(column) or ""), hint)
    return canonical


def _distinct(known: Iterable[tuple[str, Columns]]) -> list[tuple[str, Columns]]:
    """Return the first task with each kind of columns."""
    # Hashing thousands of long tuples takes longer than all the rest: the same object once only.
    objects: dict[int, tuple[str, Columns]] = {}
    for task, columns in known:
        objects.setdefault(id(columns), (task, columns))
    tasks: dict[Columns, str] = {}
    for task, columns in objects.values():
        tasks.setdefault(columns, task)
    return [(task, columns) for columns, task in tasks.items()]


def _news(
    task: str, columns: Mapping[str, str], others: Sequence[tuple[str, Columns]]
) -> Iterable[str]:
    """Yield in words how *columns*, which fit, differ from those in the store."""
    store: dict[str, tuple[str, str]] = {}
    for other, theirs in others:
        for name, dtype in theirs:
            if name not in store or (dtype != store[name][0] and fits(store[name][0], dtype)):
                store[name] = (dtype, other)
    for name, dtype in columns.items():
        if name not in store:
            if others:
                yield f"new column '{name}' ({dtype})"
            continue
        widest, other = store[name]
        if dtype == widest:
            continue
        if fits(widest, dtype):
            yield f"'{name}' is wider: {widest} -> {dtype}, since {task}"
        else:
            yield f"'{name}' is narrower: {dtype}, but {widest} since {other}"
    for name in store:
        if name not in columns:
            yield f"column '{name}' is missing: null when the store is read as a whole"


_NUMBER = re.compile(r"(uint|int|float)(\d+)")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_EXACT_BITS = {32: 16, 64: 32}
"""Widest integers that a float of so many bits holds exactly, of those that there are."""


def fits(narrow: str, wide: str) -> bool:
    """Tell whether every value of type *narrow* is one of type *wide* too, and means the same."""
    if narrow in (wide, "null"):
        return True
    numbers = _NUMBER.fullmatch(narrow), _NUMBER.fullmatch(wide)
    if numbers[0] and numbers[1]:
        return _number_fits(numbers[0][1], int(numbers[0][2]), numbers[1][1], int(numbers[1][2]))
    decimals = _DECIMAL.fullmatch(narrow), _DECIMAL.fullmatch(wide)
    if decimals[0] and decimals[1]:
        before, scale = int(decimals[0][1]), int(decimals[0][2])
        after, new_scale = int(decimals[1][1]), int(decimals[1][2])
        return before - scale <= after - new_scale and scale <= new_scale
    return False


def _number_fits(kind: str, bits: int, wide_kind: str, wide_bits: int) -> bool:
    if kind == wide_kind:
        return bits <= wide_bits
    if wide_kind == "float":
        return bits <= _EXACT_BITS.get(wide_bits, 0)
    return (kind, wide_kind) == ("uint", "int") and bits < wide_bits
