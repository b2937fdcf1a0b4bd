"""This is where values go from a run to its worker and back."""

from __future__ import annotations

import datetime
import pickle
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hygge.attempt import Held
from hygge.contract import Columns
from hygge.fingerprint import Signature
from hygge.partition import Partition
from hygge.prepared import Prepared

_LENGTH = struct.Struct("!Q")
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Begin:
    """What a worker is told first."""

    parent: int
    """Process id of the run."""
    places: int
    """Descriptor to write to where the code was, if it crashes."""


@dataclass(frozen=True)
class Ready:
    """What a worker says when work can begin."""


@dataclass(frozen=True)
class Flow:
    """What is the same for all partitions of a flow."""

    prepared: Prepared
    hashes: Mapping[str, tuple[Signature, str]]
    """Of the inputs' files, as far as they are known."""


@dataclass(frozen=True)
class Work:
    """One partition to be shaped, of the flow that was named last."""

    task: str
    partition: Partition
    run: str
    """Id of the run."""
    instant: datetime.datetime
    """When the run began."""


@dataclass(frozen=True)
class Asked:
    """Whether the store may have these columns; the answer are notes, or what is wrong."""

    columns: Columns


@dataclass(frozen=True)
class Done:
    """What has become of the work."""

    held: Held


@dataclass(frozen=True)
class Failed:
    """Why the work could not be done."""

    error: Exception


class Channel:
    """Values in both directions, in their order, between two processes of one user.

    Args:
        end: One end of a pair of sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()

    def send(self, value: Any, seconds: float | None = None) -> None:
        """Send *value*.

        Raises:
            OSError: The other side is gone, or did not listen for so long.
        """
        content = pickle.dumps(value)
        self._end.settimeout(seconds)
        self._end.sendall(_LENGTH.pack(len(content)) + content)

    def receive(self, seconds: float | None = None) -> Any:
        """Return the next value.

        Raises:
            TimeoutError: None has come for so long.
            EOFError: The other side is gone.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            value = self._whole()
            if value is not None:
                return value
            self._end.settimeout(None if until is None else max(until - time.monotonic(), 1e-6))
            try:
                content = self._end.recv(_AT_ONCE)
            except ConnectionError as error:
                raise EOFError from error
            if not content:
                raise EOFError
            self._received += content

    def _whole(self) -> Any:
        """Return the value that has come as a whole, or None."""
        if len(self._received) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        end = _LENGTH.size + length
        if len(self._received) < end:
            return None
        content = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        return pickle.loads(content)

    def close(self) -> None:
        """Let the other side know that nothing more comes."""
        self._end.close()
