"""This is where the rows of a partition are shaped on their way from the home to the store."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge.errors import ConfigError
from hygge.flow import Section
from hygge.partition import Partition

if TYPE_CHECKING:
    import polars as pl

    from hygge.transform.python_function import Function
    from hygge.transform.steps import Steps


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
        # Imported here, as all that follows: most flows move rows as they are.
        from hygge.transform import conversion
        from hygge.transform.query import SELF

        conversion.check_types(section)
        if "sql" in section.values and SELF in inputs:
            what = f"an input can't be called '{SELF}': so the partition is called"
            raise section.error(ConfigError, what, "rename the input", "sql")
        if "python" not in section.values:
            return cls(section, None, root)
        from hygge.transform.python_function import Function

        return cls(section, Function.create(section, inputs, root), root)

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
        return rows if self.section is None else self._steps().apply(rows, context)

    def examine(self, rows: pl.LazyFrame, context: Context) -> None:
        """Find out which step fails on *rows*, and on which value; runs them one after another.

        Raises:
            TransformError: This is what is wrong. Returns if nothing is.
        """
        if self.section is not None:
            self._steps().examine(rows, context)

    @contextlib.contextmanager
    def executing(self) -> Iterator[None]:
        """Execute the plan that `apply` returned within this.

        Raises:
            TransformError: The Python function's code raised, in a part of it that polars calls.
        """
        with self.function.guard() if self.function else contextlib.nullcontext():
            yield

    def _steps(self) -> Steps:
        from hygge.transform.steps import Steps

        assert self.section is not None, "an empty transform has no steps"
        return Steps(self.section, self.function, self.root)
