"""This is where all checks of a flow judge the rows of one partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hygge.checks import exact
from hygge.checks.rules import Rule, rules_of
from hygge.checks.table import Table, visible
from hygge.checks.wording import Finding, Offender, offenders_text, rows_text, span_text
from hygge.checks.written import Entry, seconds_of

if TYPE_CHECKING:
    import polars as pl

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Examination:
    """One pass through the checks; first those that set rows aside, then those that judge."""

    rules: Sequence[Rule]
    """What is asked, in the order it was written."""
    left: Table
    """The rows that are not set aside, so far."""
    now: datetime
    """What freshness is measured at; with an offset."""
    removed: int = 0
    """How many rows are set aside."""
    findings: dict[int, Finding] = field(default_factory=dict)
    """What does not hold, by the index of its rule."""
    aside: list[tuple[str, pl.Expr]] = field(default_factory=list)
    """Why rows are set aside, and what is true in the rows it holds for."""

    @classmethod
    def of(
        cls, entries: Sequence[Entry], rows: pl.LazyFrame, sources: Sequence[str], now: datetime
    ) -> Examination:
        """Examine *rows*.

        Raises:
            CheckFailed: One of *entries* can't be applied to these columns.
        """
        types = visible(rows)
        rules = [rule for entry in entries for rule in rules_of(entry, types)]
        examination = cls(rules, Table.of(rows, sources), now)
        examination._set_aside()
        examination._set_repeats_aside()
        examination._judge()
        return examination

    def _chosen(self, quarantines: bool, by_row: bool) -> dict[int, Rule]:
        return {
            i: rule
            for i, rule in enumerate(self.rules)
            if rule.entry.quarantines is quarantines and (rule.bad is not None) is by_row
        }

    def _set_aside(self) -> None:
        chosen = self._chosen(quarantines=True, by_row=True)
        if not chosen:
            return
        counted, _ = self.left.counts(list(chosen.values()), [])
        for (i, rule), count in zip(chosen.items(), counted, strict=False):
            if count and rule.bad is not None:
                self._found(i, count, self.left.offenders(rule))
                self.aside.append((rule.words, rule.bad))
        left = self.left.without([bad for _, bad in self.aside])
        if self.aside:
            self.removed = counted[-1] - left.counts([], [])[0][-1]
        self.left = left

    def _set_repeats_aside(self) -> None:
        for i, rule in self._chosen(quarantines=True, by_row=False).items():
            repeats = self.left.repeats(rule)
            if repeats is None:
                continue
            self._found(i, repeats.count, self.left.first_of(repeats, rule))
            repeating = repeats.indexes()
            self.aside.append((f"{rule.words}: it repeats an earlier row", repeating))
            self.left = self.left.without([repeating])
            self.removed += repeats.count

    def _judge(self) -> None:
        by_row = self._chosen(quarantines=False, by_row=True)
        others = self._chosen(quarantines=False, by_row=False)
        ages = {i: rule for i, rule in others.items() if rule.entry.kind == "freshness"}
        columns = [rule.columns[0] for rule in ages.values()]
        counted, newest = self.left.counts(list(by_row.values()), columns)
        for (i, rule), count in zip(by_row.items(), counted, strict=False):
            if count:
                self._found(i, count, self.left.offenders(rule))
        for (i, rule), value in zip(ages.items(), newest, strict=True):
            self._judge_age(i, rule, value, counted[-1])
        for i, rule in others.items():
            if rule.entry.kind == "rows":
                self._judge_number(i, rule, counted[-1])
            elif rule.entry.kind == "unique":
                self._judge_repeats(i, rule)

    def _judge_repeats(self, i: int, rule: Rule) -> None:
        repeats = self.left.repeats(rule)
        if repeats is not None:
            self._found(i, repeats.count, self.left.first_of(repeats, rule))

    def _judge_number(self, i: int, rule: Rule, number: int) -> None:
        fewest, most = rule.entry.wanted.get("min"), rule.entry.wanted.get("max")
        found = rows_text(number)
        if self.removed:
            found += f" beside {self.removed:,} in quarantine"
        if fewest is not None and number < fewest:
            self._told(i, f"{found}: fewer than {fewest:,}")
        if most is not None and number > most:
            self._told(i, f"{found}: more than {most:,}")

    def _judge_age(self, i: int, rule: Rule, newest: int | None, number: int) -> None:
        column, most = rule.columns[0], rule.entry.wanted["max_age"]
        if newest is None:
            nothing = "there are no rows" if number == 0 else f"it is null in {rows_text(number)}"
            self._told(i, f"'{column}' has no newest value: {nothing}")
            return
        dtype = self.left.types[column]
        age = (self.now - _EPOCH) // _MICROSECOND - exact.microseconds(newest, dtype)
        if age > seconds_of(most) * 1_000_000:
            at = exact.instant_text(newest, dtype)
            self._told(i, f"the newest '{column}' is {at}, {span_text(age)} old: more than {most}")

    def _found(self, i: int, count: int, offenders: Sequence[Offender]) -> None:
        rule = self.rules[i]
        where = offenders_text(offenders, count, several=len(self.left.sources) > 1)
        verb = "repeat an earlier one" if count > 1 else "repeats an earlier one"
        unique = rule.entry.kind == "unique"
        number = f": {rows_text(count)} {verb}" if unique else f" in {rows_text(count)}"
        first = offenders[0].row if offenders else None
        self._told(i, f"{rule.words}{number}: {where}", count, first)

    def _told(self, i: int, message: str, count: int = 0, row: int | None = None) -> None:
        rule = self.rules[i]
        where, hint = rule.where, rule.hint
        self.findings[i] = Finding(rule.check, message, count, where, hint, row, rule.about)

    def found_by(self, *, stops: bool, quarantines: bool) -> tuple[Finding, ...]:
        """Return what does not hold of the checks with these consequences, as written."""
        return tuple(
            self.findings[i]
            for i, rule in enumerate(self.rules)
            if i in self.findings
            and rule.entry.stops is stops
            and rule.entry.quarantines is quarantines
        )
