"""This is where what is remembered of a partition's last move has its form."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from hygge.fingerprint import Signature


@dataclass(frozen=True, slots=True)
class ReadSource:
    """A source as it was moved."""

    path: str
    """As in the partition."""
    hash: str
    """xxh3_128 of the bytes that were moved, in hex."""
    signature: Signature
    """The last signature that stood for these bytes."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a partition wrote."""

    path: str
    """Relative to the project's root where it lies inside, else absolute; forward slashes."""
    hash: str
    """xxh3_128 of its bytes, in hex."""
    rows: int | None
    """None if the bytes were copied without being decoded and the format does not count rows."""
    signature: Signature
    """The last signature that stood for these bytes."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is remembered of a partition's last move."""

    config: str
    """Hash of the configuration it was moved with."""
    sources: tuple[ReadSource, ...]
    """In the order they were read; with `config` the fingerprint."""
    outputs: tuple[Output, ...]
    """In order of their paths."""
    run: str
    """Id of the run that moved it."""
    seconds: float
    """Wall time of the move."""
    values: tuple[tuple[str, str | None], ...] = ()
    """Columns that were captured from the path, in order; None is a null."""
    inputs: tuple[ReadSource, ...] = ()
    """Files of the other tables that it read, in order of the tables' names."""
    columns: str = ""
    """Hash under which the columns that it wrote are remembered; empty if they are not."""

    @property
    def read(self) -> tuple[ReadSource, ...]:
        """Every file that it depends on."""
        return self.sources + self.inputs

    def to_json(self) -> dict[str, Any]:
        """Return the form that is stored; `from_json` reads it."""
        stored: dict[str, Any] = {
            "config": self.config,
            "sources": [_read(source) for source in self.sources],
            "outputs": [[o.path, o.hash, o.rows, *_numbers(o.signature)] for o in self.outputs],
            "run": self.run,
            "seconds": round(self.seconds, 6),
            "values": [list(pair) for pair in self.values],
        }
        if self.inputs:
            stored["inputs"] = [_read(source) for source in self.inputs]
        if self.columns:
            stored["columns"] = self.columns
        return stored

    @classmethod
    def from_json(cls, stored: Any) -> Receipt | None:
        """Return the receipt that `to_json` made, or None if *stored* is no receipt."""
        try:
            return cls(
                config=str(stored["config"]),
                sources=tuple(_source(*each) for each in stored["sources"]),
                outputs=tuple(_output(*each) for each in stored["outputs"]),
                run=str(stored["run"]),
                seconds=float(stored["seconds"]),
                values=tuple((str(name), value) for name, value in stored["values"]),
                inputs=tuple(_source(*each) for each in stored.get("inputs", ())),
                columns=str(stored.get("columns", "")),
            )
        except (TypeError, LookupError, ValueError, AttributeError, ArithmeticError):
            return None


def _read(source: ReadSource) -> list[Any]:
    return [source.path, source.hash, *_numbers(source.signature)]


def _source(path: str, digest: str, *numbers: int) -> ReadSource:
    return ReadSource(_path(path), str(digest), _signature(numbers))


def _output(path: str, digest: str, rows: int | None, *numbers: int) -> Output:
    if not (rows is None or isinstance(rows, int)):
        raise TypeError("rows are counted, or they are not")
    return Output(_path(path), str(digest), rows, _signature(numbers))


def _path(value: Any) -> str:
    if not is_path(value):
        raise TypeError("a path is text that can name a file")
    return str(value)


def is_path(value: Any) -> bool:
    """Tell whether *value*, as it was stored, can be the path of a file."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    if not value.isascii():
        try:
            os.fsencode(value)
        except UnicodeEncodeError:
            return False
    return True


def _signature(numbers: tuple[int, ...]) -> Signature:
    if not {*map(type, numbers)} <= _WHOLE:
        raise TypeError("a signature is five whole numbers")
    return Signature(*numbers)


_WHOLE = {int}


def _numbers(signature: Signature) -> tuple[int, int, int, int, int]:
    return (
        signature.size,
        signature.mtime_ns,
        signature.ctime_ns,
        signature.inode,
        signature.taken_ns,
    )
