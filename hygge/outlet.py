"""This is where what is written can't harm what is done: pipes that close, disks that are full."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import IO

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What a write to a terminal, a pipe or a file says when nothing can be done about it."""


class Outlet:
    """A stream that no run fails for: what it doesn't take is lost, and the run goes on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._error: OSError | None = None

    @property
    def encoding(self) -> str:
        """What the stream makes bytes with."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write *text*, or lose it."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, or lose it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of its file."""
        return self._stream.fileno()

    def complain(self) -> None:
        """Say whether something was lost.

        Raises:
            OSError: It was, and not because whoever read had seen enough.
        """
        if self._error is not None and not isinstance(self._error, BrokenPipeError):
            raise self._error

    def _give_up(self, error: OSError) -> None:
        self._error = self._error or error
        silence(self._stream)


def silence(stream: IO[str]) -> None:
    """Let what is still written to *stream*, and to stderr if that is the same, go nowhere."""
    # Python would complain once more when it exits, and everybody else who writes there too.
    number = stream.fileno()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if number != 2 and os.path.sameopenfile(number, 2):
        os.dup2(nowhere, 2)
    os.dup2(nowhere, number)
    os.close(nowhere)


def is_unwritable(error: OSError) -> bool:
    """Tell whether *error* is of a stream, not of a file that has a name."""
    return error.errno in UNWRITABLE and error.filename is None


def open_streams() -> None:
    """Make the three streams that every process has usable, whatever it was started with.

    One that was closed (``>&-``) goes nowhere: the next file that is opened would get its number,
    and with it whatever a library prints. A letter that stdout's encoding lacks is written as
    ``\\xe9`` instead of ending the command.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and _is_narrow(sys.stdout):
        sys.stdout.reconfigure(errors="backslashreplace")


def _is_narrow(stream: io.TextIOWrapper) -> bool:
    """Tell whether there are letters that *stream* would not take."""
    return stream.errors == "strict" or stream.encoding.lower().replace("-", "") != "utf8"
