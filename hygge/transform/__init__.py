"""This is where the rows of a partition are shaped on their way from the home to the store."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge.errors import ConfigError, TransformError
from hygge.flow import Section
from hygge.partition import TRACE, Partition
from hygge.transform import conversion, order, query
from hygge.transform.faults import fault, key_fault, no_column, plain
from hygge.transform.polish import polish
from hygge.transform.python_function import Function
from hygge.transform.query import SELF, Sql

if TYPE_CHECKING:
    import polars as pl

STEPS = ("where", "select", "rename", "cast", "sql", "python", "polish")
"""What can be done to rows, in the order in which it is done."""


@dataclass(frozen=True)
class Context:
    """What a transform can refer to beside the rows."""

    partition: Partition
    inputs: Mapping[str, pl.LazyFrame]
    run: datetime.datetime
    """When the run began, in UTC."""


@dataclass(frozen=True)
class Transform:
    """What a flow does to the rows of one partition at a time."""

    section: Section | None
    """None if it does nothing."""
    function: Function | None
    """What ``python`` names."""
    root: Path
    """The project's root."""

    @classmethod
    def create(cls, section: Section | None, inputs: Collection[str], root: Path) -> Transform:
        """Build the transform that *section* describes, for a flow with these *inputs*.

        Reads a Python function's text but runs nothing.

        Raises:
            ConfigError: A type has no such name, or the Python function can't be used.
        """
        if section is None or not section.values:
            return cls(None, None, root)
        conversion.check_types(section)
        if "sql" in section.values and SELF in inputs:
            what = f"an input can't be called '{SELF}': so the partition is called"
            raise section.error(ConfigError, what, "rename the input", "sql")
        python = "python" in section.values
        function = Function.create(section, inputs, root) if python else None
        return cls(section, function, root)

    @property
    def is_empty(self) -> bool:
        """Whether rows stay as they are."""
        return self.section is None

    @property
    def traces(self) -> bool:
        """Whether the columns of `TRACE` survive: what a query or a function returns has none."""
        return self.section is None or not self.section.values.keys() & {"sql", "python"}

    @property
    def sees_paths(self) -> bool:
        """Whether the sources' paths can change the rows: a function can ask for them."""
        return self.function is not None

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what can change the result, as plain data; empty if nothing is done.

        ``source`` has the content hash of a Python function's file and of each module beside it
        that it imports.
        """
        if self.section is None:
            return {}
        source = {} if self.function is None else {"source": self.function.hashes()}
        return {**self.section.values, **source}

    def apply(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Return the plan for *rows* transformed; nothing is read but what a plan needs.

        What `order` says of a result whose order is open holds after ``sql`` and ``python``.

        Raises:
            TransformError: Something is known to be wrong before rows are read.
        """
        import polars as pl

        if self.section is None:
            return rows
        rows.collect_schema()  # what is wrong with the source is not the transform's fault
        for name in self._steps():
            try:
                rows = self._step(name, rows, context)
                rows.collect_schema()
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise self._failed(name, error) from error
        return rows

    def examine(self, rows: pl.LazyFrame, context: Context) -> None:
        """Find out which step fails on *rows*, and on which value; runs them one after another.

        Raises:
            TransformError: This is what is wrong. Returns if nothing is.
        """
        import polars as pl

        for name in self._steps():
            if name == "cast" and self.section is not None:
                conversion.examine(self.section, rows, context.partition)
            try:
                rows = self._step(name, rows, context)
                with self.executing():
                    rows.sink_batches(lambda _: None, engine="streaming")
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise self._failed(name, error) from error

    @contextlib.contextmanager
    def executing(self) -> Iterator[None]:
        """Execute the plan that `apply` returned within this.

        Raises:
            TransformError: The Python function's code raised, in a part of it that polars calls.
        """
        with self.function.guard() if self.function else contextlib.nullcontext():
            yield

    def _steps(self) -> list[str]:
        return [name for name in STEPS if self.section and name in self.section.values]

    def _step(self, name: str, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        steps: dict[str, Callable[[pl.LazyFrame, Context], pl.LazyFrame]] = {
            "where": self._where,
            "select": self._select,
            "rename": self._rename,
            "cast": lambda rows, _: conversion.cast(self._section, rows),
            "sql": self._sql,
            "python": self._python,
            "polish": lambda rows, context: polish(self._section, rows, context.run),
        }
        return steps[name](rows, context)

    @property
    def _section(self) -> Section:
        assert self.section is not None, "an empty transform has no steps"
        return self.section

    def _where(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        sql = self._written("where")
        found = rows.filter(query.expression(sql))
        self._check_expression(sql, rows, found)
        return found

    def _select(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Return the selected columns; a value that is not of a row is repeated in all of them."""
        import polars as pl

        known = rows.collect_schema().names()
        columns: dict[str, pl.Expr] = {}
        computed: list[pl.Expr] = []
        for keys, name, text in self._selected():
            if name in columns:
                raise fault(self._section, keys, f"the column '{name}' is selected twice")
            if text is None and name not in known:
                raise fault(self._section, keys, *no_column(name, _shown(known)))
            columns[name] = pl.col(name)
            if text is not None:
                sql = Sql(text, self._section, keys, self.root)
                value = query.expression(sql).alias(f"__hygge_{len(computed)}")
                self._check_expression(sql, rows, rows.with_columns(value))
                columns[name] = pl.col(f"__hygge_{len(computed)}").alias(name)
                computed.append(value)
        carried = [name for name in TRACE if name in known]
        return rows.with_columns(computed).select(*columns.values(), *carried)

    def _selected(self) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
        """Yield (keys, name, expression) of each selected column; None for a column as it is."""
        for i, each in enumerate(self._section.values["select"]):
            if isinstance(each, str):
                yield ("select", i), each, None
            else:
                for name, text in each.items():
                    yield ("select", i, name), name, text

    def _rename(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        names = rows.collect_schema().names()
        wanted: Mapping[str, str] = self._section.values["rename"]
        taken: dict[str, str] = {}
        for old in wanted:
            if old not in names:
                keys = ("rename", old)
                raise key_fault(self._section, keys, *no_column(old, _shown(names)))
        for old in names:
            new = wanted.get(old, old)
            if new in taken:
                what = f"the columns '{taken[new]}' and '{old}' would both be called '{new}'"
                keys = ("rename", old if old in wanted else taken[new])
                raise fault(self._section, keys, what, "choose another name")
            taken[new] = old
        return rows.rename(wanted)

    def _sql(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        tables = {SELF: rows.drop(TRACE, strict=False), **context.inputs}
        return query.result(self._written("sql"), tables)

    def _python(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        assert self.function is not None
        rows = rows.drop(TRACE, strict=False)
        result = self.function(rows, context.partition, context.inputs)
        return order.of_frame(result)

    def _written(self, key: str) -> Sql:
        return Sql(self._section.values[key], self._section, (key,), self.root)

    def _check_expression(self, sql: Sql, rows: pl.LazyFrame, used: pl.LazyFrame) -> None:
        """Refuse an expression that *rows* have no answer to."""
        import polars as pl

        try:
            used.collect_schema()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            known = _shown(rows.collect_schema().names())
            raise query.unusable(sql, error, {SELF: known}) from error

    def _failed(self, name: str, error: BaseException) -> TransformError:
        """Build the error for the step *name*, which *error* ended."""
        what, hint = query.missing_column(error) or (plain(error), "")
        if name == "python" and self.function is not None:
            what = f"what '{self.function.name}' in {self.function.file} returned fails: {what}"
        else:
            what = f"'{name}' fails: {what}"
        return fault(self._section, (name,), what, hint)


def _shown(names: Collection[str]) -> list[str]:
    return [name for name in names if name not in TRACE]
