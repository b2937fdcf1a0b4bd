"""This is where rows go through what a transform does to them, one step after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hygge.errors import TransformError
from hygge.flow import Section
from hygge.partition import TRACE
from hygge.transform import Context, conversion, order, query
from hygge.transform.faults import fault, key_fault, no_column, plain
from hygge.transform.polish import polish
from hygge.transform.python_function import Function
from hygge.transform.query import SELF, Sql

if TYPE_CHECKING:
    import polars as pl

STEPS = ("where", "select", "rename", "cast", "sql", "python", "polish")
"""What can be done to rows, in the order in which it is done."""


@dataclass(frozen=True)
class Steps:
    """What is done to the rows of one partition."""

    section: Section
    function: Function | None
    """What ``python`` names."""
    root: Path
    """The project's root."""

    def apply(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Do as `Transform.apply`."""
        import polars as pl

        rows.collect_schema()  # what is wrong with the source is not the transform's fault
        for name in self._steps():
            try:
                rows = self._step(name, rows, context)
                rows.collect_schema()
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise self._failed(name, error) from error
        return rows

    def examine(self, rows: pl.LazyFrame, context: Context) -> None:
        """Do as `Transform.examine`."""
        import polars as pl

        for name in self._steps():
            if name == "cast":
                conversion.examine(self.section, rows, context.partition)
            try:
                rows = self._step(name, rows, context)
                with self.function.guard() if self.function else contextlib.nullcontext():
                    rows.sink_batches(lambda _: None, engine="streaming")
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                raise self._failed(name, error) from error

    def _steps(self) -> list[str]:
        return [name for name in STEPS if name in self.section.values]

    def _step(self, name: str, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        steps: dict[str, Callable[[pl.LazyFrame, Context], pl.LazyFrame]] = {
            "where": self._where,
            "select": self._select,
            "rename": self._rename,
            "cast": lambda rows, _: conversion.cast(self.section, rows),
            "sql": self._sql,
            "python": self._python,
            "polish": lambda rows, context: polish(self.section, rows, context.run),
        }
        return steps[name](rows, context)

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
                raise fault(self.section, keys, f"the column '{name}' is selected twice")
            if text is None and name not in known:
                raise fault(self.section, keys, *no_column(name, _shown(known)))
            columns[name] = pl.col(name)
            if text is not None:
                sql = Sql(text, self.section, keys, self.root)
                value = query.expression(sql).alias(f"__hygge_{len(computed)}")
                self._check_expression(sql, rows, rows.with_columns(value))
                columns[name] = pl.col(f"__hygge_{len(computed)}").alias(name)
                computed.append(value)
        carried = [name for name in TRACE if name in known]
        return rows.with_columns(computed).select(*columns.values(), *carried)

    def _selected(self) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
        """Yield (keys, name, expression) of each selected column; None for a column as it is."""
        for i, each in enumerate(self.section.values["select"]):
            if isinstance(each, str):
                yield ("select", i), each, None
            else:
                for name, text in each.items():
                    yield ("select", i, name), name, text

    def _rename(self, rows: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        names = rows.collect_schema().names()
        wanted: Mapping[str, str] = self.section.values["rename"]
        taken: dict[str, str] = {}
        for old in wanted:
            if old not in names:
                keys = ("rename", old)
                raise key_fault(self.section, keys, *no_column(old, _shown(names)))
        for old in names:
            new = wanted.get(old, old)
            if new in taken:
                what = f"the columns '{taken[new]}' and '{old}' would both be called '{new}'"
                keys = ("rename", old if old in wanted else taken[new])
                raise fault(self.section, keys, what, "choose another name")
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
        return Sql(self.section.values[key], self.section, (key,), self.root)

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
        return fault(self.section, (name,), what, hint)


def _shown(names: Collection[str]) -> list[str]:
    return [name for name in names if name not in TRACE]
