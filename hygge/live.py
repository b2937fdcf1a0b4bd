"""This is where a run looks alive on a terminal: a line for each flow that has work."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


class Progress(Protocol):
    """How far a flow has come."""

    stale: int
    moved: int
    unchanged: int
    failed: int
    removed: int
    rows: int
    bytes: int


class LiveBlock:
    """A block at the end of the terminal, redrawn a few times a second.

    Nothing is drawn, nor is rich imported, before something is moved.

    Args:
        stream: The terminal.
        flows: Progress by flow; read at each redraw.
    """

    def __init__(self, stream: IO[str], flows: Mapping[str, Progress]) -> None:
        self._stream = stream
        self._flows = flows
        self._live: Live | None = None
        self._began = time.perf_counter()
        self._busy: dict[str, None] = {}

    def start(self, task: str) -> None:
        """Show that *task* is being moved."""
        self._busy[task] = None
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream, highlight=False)
            self._live = Live(
                console=console, get_renderable=self._table, refresh_per_second=8, transient=True
            )
            self._live.start()

    def done(self, task: str) -> None:
        """Show no longer that *task* is being moved."""
        self._busy.pop(task, None)

    def line(self, text: str) -> None:
        """Write *text* above the block."""
        if self._live is None:
            self._stream.write(text + "\n")
            self._stream.flush()
        else:
            self._live.console.print(text, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the block away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        from rich.filesize import decimal
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        seconds = max(time.perf_counter() - self._began, 0.001)
        for name, flow in list(self._flows.items()):
            if not flow.stale:
                continue
            done = flow.moved + flow.removed + flow.failed
            left = seconds / done * (flow.stale - done) if done else None
            table.add_row(
                name,
                ProgressBar(total=flow.stale, completed=done, width=20),
                f"{done}/{flow.stale}",
                f"{flow.rows:,} rows",
                f"{decimal(flow.bytes)}  {decimal(int(flow.bytes / seconds))}/s",
                "" if left is None else f"{left:.0f}s left",
                next((task for task in list(self._busy) if task.startswith(name + ":")), ""),
            )
        return table
