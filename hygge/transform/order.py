"""This is where rows whose order polars leaves open get one that is the same every time.

A group-by, a join, a union or a sort with ties gives the same rows from run to run, but not in
the same order, and so not the same file. Where the plan has one of them, the result is sorted:
by the keys of its own ORDER BY, if it ends in one, and then by all its columns.

What this can't mend: sums, means and deviations of floats differ in their last digits from run to
run, whatever the order of the result, since polars adds in the order in which its threads finish.
Round them, or add up integers or decimals. Nor what is taken from an order that is open below:
a LIMIT in a subquery, ROW_NUMBER over ties, and in a Python function ``head`` or ``top_k`` with
ties, ``unique(keep="any")``, or a sort by a column that is dropped. Break such ties there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_OPEN = re.compile(
    r"^\s*(?:AGGREGATE|UNIQUE|UNION)\[maintain_order: false"
    r"|^\s*(?:\w+ )*JOIN:\s*$"
    r"|^\s*SORT BY (?!\[.*maintain_order: true)"
    r"|\.(?:unique|value_counts|mode)\(",
    re.MULTILINE,
)
"""Nodes of a plan, as polars prints it, whose result has no order of its own."""

_KEEPING_ORDER = ("SELECT [", "SLICE[", "WITH_COLUMNS:", "simple π", "[", "FILTER ")
"""How lines of a plan begin whose nodes leave rows in the order of those below."""

_SORT = re.compile(r"SORT BY (?:\[(?P<options>\w.*?\]?)\] )?\[(?P<keys>.*)\]")
_COLUMN = re.compile(r'col\("(?P<name>[^"]*)"\)')
_ALIAS = re.compile(r'\.alias\("(?P<name>[^"]*)"\)$')
_TOKEN = re.compile(
    r"(?P<blank>\s+|--[^\n]*|/\*.*?\*/)"
    r"|'(?:[^']|'')*'"
    r'|"(?:[^"]|"")*"'
    r"|(?P<word>\w+)"
    r"|.",
    re.DOTALL,
)


@dataclass(frozen=True)
class Key:
    """One column that a result is sorted by."""

    name: str
    descending: bool = False
    nulls_last: bool = False


def is_open(plan: str) -> bool:
    """Tell whether the *plan*, as polars prints it unoptimised, leaves the order open."""
    return _OPEN.search(plan) is not None


def of_query(context: pl.SQLContext[pl.LazyFrame], text: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return *rows*, what the query *text* finds, with its order decided to the last tie."""
    import polars as pl

    if not is_open(rows.explain(optimized=False)):
        return rows
    decided = tie_broken(text, rows.collect_schema())
    if decided is not None:
        try:
            result = context.execute(decided)
            if result.collect_schema() == rows.collect_schema():
                return result
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            pass  # a spelling of ORDER BY that takes no more keys
    return of_frame(rows)


def of_frame(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return *rows* with an order if their plan leaves it open.

    Left alone are rows that are sorted by what is no column of theirs: only who wrote that can
    say how to break its ties.
    """
    plan = rows.explain(optimized=False)
    if not is_open(plan):
        return rows
    schema = rows.collect_schema()
    own = own_keys(plan, schema.names())
    if own is None:
        return rows
    named = {key.name for key in own}
    keys = [*own, *(Key(name) for name in tie_breakers(schema) if name not in named)]
    if not keys:
        return rows
    return rows.sort(
        [key.name for key in keys],
        descending=[key.descending for key in keys],
        nulls_last=[key.nulls_last for key in keys],
    )


def tie_breakers(schema: pl.Schema) -> list[str]:
    """Return the columns that rows are sorted by: floats last, what can't be sorted not at all."""
    import polars as pl

    sortable = [name for name, dtype in schema.items() if not isinstance(dtype, pl.Object)]
    return sorted(sortable, key=lambda name: schema[name].is_float())


def tie_broken(text: str, schema: pl.Schema) -> str | None:
    """Return the query *text* with all its columns behind those of its ORDER BY.

    This is how a LIMIT takes the same rows every time, and how keys that are no columns of the
    result keep their meaning. None if the query has neither ORDER BY nor LIMIT of its own.
    """
    ordered, cut, end = _clauses(text)
    if ordered is None and cut is None:
        return None
    numbers = {name: number for number, name in enumerate(schema.names(), start=1)}
    keys = ", ".join(f"{numbers[name]} NULLS FIRST" for name in tie_breakers(schema))
    at = end if cut is None else cut
    joined = f" ORDER BY {keys} " if ordered is None else f", {keys} "
    return text[:at].rstrip() + joined + text[at:]


def _clauses(text: str) -> tuple[int | None, int | None, int]:
    """Return where the outermost ORDER BY, LIMIT and the query's end are; None if absent."""
    depth, end = 0, 0
    ordered = cut = None
    for match in _TOKEN.finditer(text):
        token = match[0]
        if match["blank"] or token == ";":
            continue
        end = match.end()
        depth += (token in "([") - (token in ")]")
        word = (match["word"] or "").lower() if depth == 0 else ""
        if word in ("union", "intersect", "except"):
            ordered = cut = None
        elif word == "order":
            ordered, cut = match.start(), None
        elif word in ("limit", "offset", "fetch") and cut is None:
            cut = match.start()
    return ordered, cut, end


def own_keys(plan: str, columns: list[str]) -> list[Key] | None:
    """Return the columns that the result of *plan* is sorted by; empty if it is not sorted.

    None if it is sorted by something that can't be told from its columns.
    """
    above: list[str] = []
    for line in (each.strip() for each in plan.split("\n")):
        if line.startswith("SORT BY "):
            return _keys(line, above, columns)
        if line != "FROM" and not line.startswith(_KEEPING_ORDER):
            return []
        above.append(line)
    return []


def _keys(line: str, above: list[str], columns: list[str]) -> list[Key] | None:
    match = _SORT.fullmatch(line)
    if match is None:
        return None
    names = _COLUMN.findall(match["keys"])
    plain = ", ".join(f'col("{name}")' for name in names) == match["keys"]
    if not plain or not all(name in columns and _unchanged(name, above) for name in names):
        return None
    descending = _flags(match["options"], "descending", len(names))
    nulls_last = _flags(match["options"], "nulls_last", len(names))
    return [Key(*each) for each in zip(names, descending, nulls_last, strict=True)]


def _unchanged(name: str, above: list[str]) -> bool:
    """Tell whether the column *name* of the result is still what was sorted by."""
    column = f'col("{name}")'
    for line in above:
        parts = _parts(line)
        if line.startswith("SELECT [") and column not in parts:
            return False
        if any(f'"{name}"' in each and not _leaves(each, column, name) for each in parts):
            return False
    return True


def _leaves(part: str, column: str, name: str) -> bool:
    """Tell whether *part*, which mentions the column *name*, makes another one or leaves it."""
    alias = _ALIAS.search(part)
    return part == column if alias is None else alias["name"] != name


def _parts(line: str) -> list[str]:
    """Return the expressions of the list that *line* of a plan holds; empty if it holds none."""
    listed = line.removeprefix("SELECT ").strip()
    if not (listed.startswith("[") and listed.endswith("]")):
        return []
    parts, depth = [""], 0
    for match in _TOKEN.finditer(listed[1:-1]):
        depth += (match[0] in "([{") - (match[0] in ")]}")
        if match[0] == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += match[0]
    return [each.strip() for each in parts]


def _flags(options: str | None, name: str, count: int) -> list[bool]:
    match = re.search(rf"{name}: \[(.*?)\]", options or "")
    if match is None:
        return [False] * count
    flags = [each.strip() == "true" for each in match[1].split(",")]
    return flags * count if len(flags) == 1 else flags
