"""This is where a run looks alive on a terminal: a line for each flow that has work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol, cast

from hygge.commands.terminal import Column, duration, fitted, table
from hygge.outlet import Outlet

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.text import Text

FULL, EMPTY = "━", "─"
"""What a bar is made of."""

BAR = 12
"""How many letters a bar has."""

COLUMNS = (
    Column("", least=24),
    Column("", leaves=2),
    Column("", is_number=True),
    Column("", is_number=True, leaves=4),
    Column("", is_number=True, leaves=3),
    Column("", is_number=True, leaves=5),
    Column("", is_number=True, leaves=1),
    Column("", least=12, leaves=6),
)
"""Flow, bar, done, rows, bytes, rate, what is left, and the partition that is being moved.

Where there is no room, the one with the highest ``leaves`` is left out first.
"""


class Progress(Protocol):
    """How far a flow has come."""

    stale: int
    moved: int
    unchanged: int
    failed: int
    not_run: int
    removed: int
    rows: int
    bytes: int


@dataclass
class Clock:
    """When a flow was worked on, in seconds."""

    began: float
    ended: float | None = None
    """When the last one of its partitions was done; None while one is being moved."""

    def seconds(self) -> float:
        """Return how long, so far."""
        return max((self.ended or time.perf_counter()) - self.began, 0.001)


class LiveBlock:
    """A block at the end of the terminal, redrawn a few times a second.

    It is at most half as high as the terminal and never wider, so that what is written above it
    stays to be read. Nothing is drawn, nor is rich imported, before something is moved.

    Args:
        outlet: The terminal.
        flows: Progress by flow; read at each redraw.
        note: Returns a sentence to stand below the flows, or nothing.
    """

    def __init__(
        self, outlet: Outlet, flows: Mapping[str, Progress], note: Callable[[], str]
    ) -> None:
        self._outlet, self._flows, self._note = outlet, flows, note
        self._live: Live | None = None
        self._busy: dict[str, None] = {}
        self._clocks: dict[str, Clock] = {}

    def start(self, task: str) -> None:
        """Show that *task* is being moved."""
        self._busy[task] = None
        self._clocks.setdefault(_flow_of(task), Clock(time.perf_counter())).ended = None
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            stream = cast("IO[str]", self._outlet)
            self._live = Live(
                self,
                console=Console(file=stream, highlight=False, markup=False, emoji=False),
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()
            # A run that is killed can't bring the cursor back.
            self._live.console.show_cursor(True)

    def done(self, task: str) -> None:
        """Show no longer that *task* is being moved."""
        self._busy.pop(task, None)
        flow = _flow_of(task)
        if flow in self._clocks and flow not in map(_flow_of, list(self._busy)):
            self._clocks[flow].ended = time.perf_counter()

    def line(self, text: str) -> None:
        """Write *text* above the block."""
        if self._live is None:
            self._outlet.write(text + "\n")
            self._outlet.flush()
        else:
            self._live.console.print(text, soft_wrap=True)

    def stop(self) -> None:
        """Take the block away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it: the name is rich's."""
        from rich.text import Text

        is_ascii = options.ascii_only
        # The last column stays empty: some terminals go to the next line when it is written to.
        width = max(options.max_width - 1, 1)
        for line in self._lines(width, max(console.height // 2, 3)):
            plain = line.replace(FULL, "#").replace(EMPTY, "-").replace("…", "~")
            yield _coloured(Text(plain if is_ascii else line, no_wrap=True, end="\n"))

    def _lines(self, width: int, height: int) -> Iterator[str]:
        """Yield the lines of the block."""
        working = [name for name, flow in list(self._flows.items()) if flow.stale]
        shown = working if len(working) <= height else self._foremost(working, height)
        rows = [self._row(name) for name in shown]
        _titles, *lines = table(COLUMNS, rows, width) if rows else [""]
        yield from lines
        told = list(self._told(set(working) - set(shown)))
        if told:
            yield fitted(", ".join(told), width)
        note = self._note()
        if note:
            yield fitted(note, width)

    def _foremost(self, working: Sequence[str], count: int) -> list[str]:
        """Return *count* of *working* in order: at work, then begun, then next, then done."""
        busy = set(map(_flow_of, list(self._busy)))

        def rank(name: str) -> int:
            if name in busy:
                return 0
            is_done = _done(self._flows[name]) >= self._flows[name].stale
            return 3 if is_done else 1 if name in self._clocks else 2

        chosen = set(sorted(working, key=rank)[:count])
        return [name for name in working if name in chosen]

    def _told(self, hidden: Iterable[str]) -> Iterator[str]:
        """Yield what is folded into one line."""
        more = [self._flows[name] for name in hidden]
        if more:
            done, stale = sum(map(_done, more)), sum(each.stale for each in more)
            yield f"{len(more):,} more flow{'' if len(more) == 1 else 's'}: {done:,}/{stale:,}"
        every = list(self._flows.values())
        unchanged, failed = sum(e.unchanged for e in every), sum(e.failed for e in every)
        if unchanged:
            yield f"{unchanged:,} up to date"
        if failed:
            yield f"{failed:,} failed"

    def _row(self, name: str) -> list[str]:
        flow, clock = self._flows[name], self._clocks.get(name)
        done = _done(flow)
        filled = BAR * min(done, flow.stale) // flow.stale
        row = [name, FULL * filled + EMPTY * (BAR - filled), f"{done:,}/{flow.stale:,}"]
        if clock is None:
            return [*row, "", "", "", "", ""]
        seconds, left = clock.seconds(), ""
        if 0 < done < flow.stale:
            left = f"{_rounded(seconds / done * (flow.stale - done))} left"
        return [
            *row,
            f"{flow.rows:,} row{'' if flow.rows == 1 else 's'}",
            amount_of_bytes(flow.bytes),
            f"{amount_of_bytes(int(flow.bytes / seconds))}/s",
            left,
            next((t[len(name) + 1 :] for t in list(self._busy) if _flow_of(t) == name), ""),
        ]


def _flow_of(task: str) -> str:
    return task.partition(":")[0]


def _done(flow: Progress) -> int:
    return flow.moved + flow.removed + flow.failed + flow.not_run


def _rounded(seconds: float) -> str:
    return duration(seconds) if seconds >= 60 else f"{math.ceil(seconds)}s"


def _coloured(line: Text) -> Text:
    line.highlight_regex(f"{FULL}+", "bar.complete")
    line.highlight_regex(f"{EMPTY}+", "bar.back")
    return line


def amount_of_bytes(size: int) -> str:
    """Return *size* with three digits or so: ``446.9kB``."""
    if size < 1000:
        return f"{size}B"
    power = min(int(math.log(size, 1000)), 4)
    return f"{size / 1000**power:.1f}{('', 'kB', 'MB', 'GB', 'TB')[power]}"
