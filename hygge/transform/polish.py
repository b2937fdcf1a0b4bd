"""This is where columns get clean names, and where columns that hygge adds come from."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hygge.flow import Section
from hygge.partition import TRACE
from hygge.transform.faults import fault, no_column

if TYPE_CHECKING:
    import polars as pl


def polish(section: Section, rows: pl.LazyFrame, run: datetime.datetime) -> pl.LazyFrame:
    """Return *rows* as ``polish`` asks: names first, then constants, hashes and timestamps.

    What traces the rows is carried along untouched. *run* is when the run began.

    Raises:
        TransformError: Two columns would have one name, or one to be hashed is missing.
    """
    wanted = section.values["polish"]
    if "columns" in wanted:
        rows = rows.rename(_new_names(section, rows.collect_schema().names()))
    for i, each in enumerate(wanted.get("constants", ())):
        at = ("polish", "constants", i)
        rows = _with_column(section, rows, at, each["name"], _constant(each["value"]))
    for i, each in enumerate(wanted.get("hash_ids", ())):
        at = ("polish", "hash_ids", i)
        hashed = _hash_id(section, rows, at, each)
        rows = _with_column(section, rows, at, each["name"], hashed)
    for i, each in enumerate(wanted.get("timestamps", ())):
        at = ("polish", "timestamps", i)
        now = each.get("source", "run") == "now_utc"
        instant = datetime.datetime.now(datetime.UTC) if now else run
        rows = _with_column(section, rows, at, each["name"], _instant(instant))
    return rows


def _with_column(
    section: Section, rows: pl.LazyFrame, at: tuple[str | int, ...], name: str, value: pl.Expr
) -> pl.LazyFrame:
    if name in rows.collect_schema():
        what = f"there is a column '{name}' already"
        raise fault(section, (*at, "name"), what, "choose another name")
    return rows.with_columns(value.alias(name))


def _constant(value: Any) -> pl.Expr:
    import polars as pl

    types = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
    value = str(value) if isinstance(value, str) else value  # text with variables is a str too
    return pl.lit(value, dtype=types.get(type(value), pl.Null))


def _instant(instant: datetime.datetime) -> pl.Expr:
    import polars as pl

    plain = instant.astimezone(datetime.UTC).replace(tzinfo=None)
    return pl.lit(plain, dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")


# Names


def _new_names(section: Section, names: Iterable[str]) -> dict[str, str]:
    """Return the columns' new names by their old ones."""
    options = section.values["polish"]["columns"]
    taken: dict[str, str] = {}
    for name in names:
        if name in TRACE:
            continue
        new = clean_name(name, **options)
        if not new:
            what = f"nothing would be left of the column's name '{name}'"
            raise fault(section, ("polish", "columns"), what, "rename it first, under 'rename'")
        if new in taken:
            what = f"the columns '{taken[new]}' and '{name}' would both be called '{new}'"
            raise fault(section, ("polish", "columns"), what, "rename one first, under 'rename'")
        taken[new] = name
    return {old: new for new, old in taken.items()}


def clean_name(
    name: str, case: str | None = None, remove_special: bool = False, remove_spaces: bool = False
) -> str:
    """Return *name* cleaned.

    Args:
        case: ``snake``, ``camel`` or ``pascal``: how its words are joined. Words end at blanks,
            at ``_``, before a capital letter that follows a small one or a digit, and before the
            last of several capitals if a small letter follows: ``HTTPStatus2`` is two words.
        remove_special: What is no letter, digit, blank or ``_`` goes. It ends a word where there
            is a `case`, unless it is an apostrophe.
        remove_spaces: Blanks go.
    """
    name = unicodedata.normalize("NFC", name)
    if remove_special:
        name = _without_special(name, " " if case else "")
    if case:
        return _JOINED[case](words(name))
    return "".join(name.split()) if remove_spaces else name.strip()


def _without_special(name: str, instead: str) -> str:
    kept = (
        char
        if _is_letter_or_digit(char) or char.isspace() or char == "_"
        else ("" if char in "'\u2019" else instead)
        for char in name
    )
    return " ".join("".join(kept).split())


def _is_letter_or_digit(char: str) -> bool:
    # Marks are parts of letters in scripts that compose them.
    return char.isalnum() or unicodedata.category(char).startswith("M")


def words(name: str) -> list[str]:
    """Return the words of *name*."""
    result: list[str] = []
    for chunk in name.replace("_", " ").split():
        start = 0
        for i in range(1, len(chunk)):
            before, here, after = chunk[i - 1], chunk[i], chunk[i + 1 : i + 2]
            ends_small = here.isupper() and (before.islower() or before.isdigit())
            ends_acronym = before.isupper() and here.isupper() and after.islower()
            if ends_small or ends_acronym:
                result.append(chunk[start:i])
                start = i
        result.append(chunk[start:])
    return result


def _snake(parts: list[str]) -> str:
    return "_".join(part.lower() for part in parts)


def _pascal(parts: list[str]) -> str:
    return "".join(part[:1].upper() + part[1:].lower() for part in parts)


def _camel(parts: list[str]) -> str:
    return "".join(part.lower() for part in parts[:1]) + _pascal(parts[1:])


_JOINED: dict[str, Callable[[list[str]], str]] = {
    "snake": _snake,
    "camel": _camel,
    "pascal": _pascal,
}


# Hashes


def _hash_id(
    section: Section, rows: pl.LazyFrame, at: tuple[str | int, ...], wanted: Mapping[str, Any]
) -> pl.Expr:
    import polars as pl

    schema = rows.collect_schema()
    fields = []
    for i, column in enumerate(wanted["from_columns"]):
        keys = (*at, "from_columns", i)
        if column not in schema:
            known = [each for each in schema if each not in TRACE]
            raise fault(section, keys, *no_column(column, known))
        if schema[column].is_nested() or schema[column].is_object():
            what = f"the column '{column}' can't be hashed: it holds more than one value a row"
            raise fault(section, keys, what, "hash its parts")
        fields.append(_field(pl.col(column), schema[column]))
    digest = _digest(wanted.get("algo", "xxh3_128"))
    return pl.concat_str(fields).map_batches(
        lambda encoded: _hashed(encoded, digest), return_dtype=pl.String, is_elementwise=True
    )


def _field(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return *column* as text that shows where it ends, so that no two rows look the same.

    A value is its length in bytes, a colon and its text; a null is ``~``, which no length is.
    """
    import polars as pl

    text = _text(column, dtype)
    length = text.str.len_bytes().cast(pl.String)
    return pl.when(column.is_null()).then(pl.lit("~")).otherwise(length + ":" + text)


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return *column* as text that does not depend on how a version of polars shows values."""
    import polars as pl

    if isinstance(dtype, pl.Binary):
        return column.bin.encode("hex")
    if dtype.is_float():
        return column.cast(pl.Float64).map_batches(
            _float_texts, return_dtype=pl.String, is_elementwise=True
        )
    if isinstance(dtype, pl.Datetime):
        utc = column if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return utc.dt.strftime("%Y-%m-%dT%H:%M:%S%.9f" + ("Z" if dtype.time_zone else ""))
    if isinstance(dtype, pl.Date):
        return column.dt.strftime("%Y-%m-%d")
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.9f")
    if isinstance(dtype, pl.Duration):
        return column.to_physical().cast(pl.String) + dtype.time_unit
    return column.cast(pl.String)


def _float_texts(numbers: pl.Series) -> pl.Series:
    """Return *numbers* as Python writes them: the shortest text that is read as the same number."""
    import polars as pl

    # Adding 0 makes 0.0 of -0.0, which is equal to it.
    texts = [None if each is None else repr(each + 0.0) for each in numbers.to_list()]
    return pl.Series(numbers.name, texts, dtype=pl.String)


def _hashed(encoded: pl.Series, digest: Callable[[bytes], str]) -> pl.Series:
    """Return the hashes of a batch.

    Neither polars nor pyarrow has a hash that stays the same from version to version, so this is
    one pass in Python over a whole batch; there is no call for each row by way of polars.
    """
    import polars as pl

    values = encoded.cast(pl.Binary).to_list()
    return pl.Series(encoded.name, list(map(digest, values)), dtype=pl.String)


def _digest(algo: str) -> Callable[[bytes], str]:
    import hashlib

    import xxhash

    known: dict[str, Callable[[bytes], str]] = {
        "xxh3_64": xxhash.xxh3_64_hexdigest,
        "xxh3_128": xxhash.xxh3_128_hexdigest,
        "md5": lambda value: hashlib.md5(value, usedforsecurity=False).hexdigest(),
        "sha256": lambda value: hashlib.sha256(value).hexdigest(),
    }
    return known[algo]
