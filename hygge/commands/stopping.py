"""This is where a signal is heard while a run goes on, and becomes an orderly stop."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from hygge import tasks

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks for an orderly stop."""


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn the first signal into an orderly stop; the second ends the process at once.

    One that comes when the last task has ended stops nothing, and the run ends as it would have.
    """

    came: list[int] = []  # what was stopped by may be known before: a query may hear of it first

    def stop(number: int, frame: FrameType | None) -> None:
        if came:
            # As after a kill: what is half-written is cleared away by the next run.
            with contextlib.suppress(OSError):
                os.write(2, b"\nStopped at once; run `doit` to go on.\n")
            os._exit(128 + number)
        came.append(number)
        if not tasks.current.ended:
            tasks.current.stopped_by = number

    # What is ignored stays so: nohup wants a run to outlive its terminal.
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
