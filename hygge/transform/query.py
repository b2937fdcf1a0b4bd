"""This is where SQL is run, and where polars' complaints about it become errors with a place."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hygge.document import Place
from hygge.errors import TransformError, did_you_mean
from hygge.flow import Section
from hygge.transform import order
from hygge.transform.faults import first_line, no_column, place_within, plain

if TYPE_CHECKING:
    import polars as pl

SELF = "self"
"""What the rows of the partition are called in SQL."""

_POSITION = re.compile(r" at Line: (\d+), Column: (\d+)$")
_EXPECTED = re.compile(r"Expected: (?P<wanted>.*), found: (?P<found>.*)", re.DOTALL)
_NO_COLUMN = re.compile(
    r"unable to find column \"(?P<name>.*?)\"; valid columns: \[(?P<known>.*)\]"
)
_NO_COLUMN_IN = re.compile(r"no column named '(?P<name>.*?)' found in table '(?P<table>.*?)'")
_NO_TABLE = re.compile(
    r"relation '(?P<name>.*?)' was not found|no table or struct column named '(?P<other>.*?)' found"
)
_NO_FUNCTION = re.compile(r"unsupported function '(?P<name>.*?)'")
_NO_TYPE = re.compile(r"datatype \"(?P<name>.*?)\" is not currently supported")
_NOT_BOOLEAN = re.compile(r"filter predicate must be of type `Boolean`, got `(?P<type>.*?)`")
_SUBQUERY = re.compile(r"subplan|_POLARS_TMP_SQL")

_QUERY = re.compile(r"(?:\s|\(|--[^\n]*|/\*.*?\*/)*(?P<word>\w*)", re.DOTALL)
_COMMANDS = ("create", "delete", "drop", "explain", "insert", "show", "truncate", "update")
"""What polars takes, in part, but what returns no rows that anybody wants to keep."""


@dataclass(frozen=True)
class Sql:
    """A piece of SQL as it was written in a flow."""

    text: str
    section: Section
    keys: tuple[str | int, ...]
    """Where it stands in the section."""
    root: Path
    """The project's root."""

    def fault(self, what: str, hint: str = "", offset: int | None = None) -> TransformError:
        """Build the error that points at the character at *offset*, or at the whole."""
        place: Place | None = self.section.place(*self.keys)
        if offset is not None:
            place = place_within(place, self.root, self.text, offset)
        return TransformError(what, str(place or ""), hint)

    def named(self, name: str) -> int | None:
        """Return the offset at which *name* is first mentioned; None if it is not."""
        match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.text, re.IGNORECASE)
        return match and match.start()


def expression(sql: Sql) -> pl.Expr:
    """Return what *sql* says as an expression over the columns of a table.

    Raises:
        TransformError: It is no SQL expression.
    """
    import polars as pl

    try:
        return pl.sql_expr(sql.text)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _explained(sql, _syntax_problem(sql) or error, {}) from error


def _syntax_problem(sql: Sql) -> BaseException | None:
    """Return polars' complaint about the expression as part of a query: only that has a place."""
    import polars as pl

    try:
        pl.SQLContext(frames={SELF: pl.LazyFrame()}, eager=False).execute(f"SELECT\n{sql.text}")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        match = _POSITION.search(first_line(error))
        if match is not None:
            shifted = f" at Line: {int(match[1]) - 1}, Column: {match[2]}"
            return type(error)(_POSITION.sub(shifted, first_line(error)))
        return error if _EXPECTED.search(str(error)) else None
    return None


def result(sql: Sql, tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return what the query *sql* finds in *tables*, in an order that is the same every time.

    Raises:
        TransformError: It is no query, or one over other columns or tables.
    """
    import polars as pl

    first = _QUERY.match(sql.text)
    word = first["word"] if first else ""
    if word.lower() in _COMMANDS:
        raise sql.fault(f"'{word.upper()}' is no query", "begin with SELECT or WITH", 0)
    context = pl.SQLContext(frames=dict(tables), eager=False)
    try:
        rows = context.execute(sql.text)
        names = rows.collect_schema().names()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _explained(sql, error, tables) from error
    return order.of_query(context, sql.text, rows) if names else rows


def unusable(
    sql: Sql, error: BaseException, tables: Mapping[str, Collection[str]]
) -> TransformError:
    """Build the error for *sql* that *tables*, with their columns, have no answer to."""
    text = plain(error)
    match = _NO_COLUMN.search(text) or _NO_COLUMN_IN.search(text)
    wrong = _NOT_BOOLEAN.search(text)
    if wrong is not None:
        return sql.fault(f"true or false is wanted for each row, not {wrong['type'].lower()}")
    if _SUBQUERY.search(text):
        return sql.fault("a query within an expression", "use 'sql:', which takes whole queries")
    if match is not None:
        table = match.groupdict().get("table")
        asked = [tables[each] for each in tables if each == table] or tables.values()
        known = [column for columns in asked for column in columns]
        what, hint = no_column(match["name"], dict.fromkeys(known))
        return sql.fault(what, hint, sql.named(match["name"]))
    return sql.fault(f"the SQL fails: {text}")


def missing_column(error: BaseException) -> tuple[str, str] | None:
    """Return the column that polars misses, and a hint; None if *error* is about something else."""
    match = _NO_COLUMN.search(first_line(error))
    return match and no_column(match["name"], re.findall(r'"(.*?)"', match["known"]))


def _explained(
    sql: Sql, error: BaseException, tables: Mapping[str, pl.LazyFrame]
) -> TransformError:
    text = first_line(error).removeprefix("sql parser error: ")
    expected = _EXPECTED.search(_POSITION.sub("", text))
    position = _POSITION.search(text)
    if position is not None:
        return _syntax_error(sql, text, int(position[1]), int(position[2]))
    if expected is not None:
        what = f"the SQL ends too early: expected {expected['wanted']}"
        return sql.fault(what, "", max(len(sql.text) - 1, 0))
    for pattern, known, kind in (
        (_NO_TABLE, list(tables), "table"),
        (_NO_FUNCTION, [], "function"),
        (_NO_TYPE, [], "type"),
    ):
        match = pattern.search(text)
        if match is not None:
            name = next(each for each in match.groups() if each is not None)
            hint = did_you_mean(name, known) if known else f"polars' SQL has no such {kind}"
            return sql.fault(f"no {kind} '{name}'", hint, sql.named(name))
    if not sql.text.strip():
        return sql.fault("no SQL", "write a query")
    return unusable(sql, error, {name: _columns(rows) for name, rows in tables.items()})


def _columns(rows: pl.LazyFrame) -> list[str]:
    return rows.collect_schema().names()


def _syntax_error(sql: Sql, text: str, line: int, column: int) -> TransformError:
    problem = _POSITION.sub("", text)
    expected = _EXPECTED.search(problem)
    if expected is not None:
        problem = f"expected {expected['wanted']}, found '{expected['found']}'"
    before = sql.text.split("\n")[: line - 1]
    offset = sum(len(each) + 1 for each in before) + column - 1
    what = f"line {line}, column {column} of the SQL: {problem[:1].lower()}{problem[1:]}"
    return sql.fault(what, "", offset)
