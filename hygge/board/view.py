"""This is where a project is looked at again, as soon as there may be anything new to see."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from hygge import project as projects
from hygge.board.data import Board, gathered, watched
from hygge.board.history import History
from hygge.coordinator import Coordinator, Options
from hygge.errors import HyggeError
from hygge.fingerprint import ContentHashes
from hygge.state import State

SHORTEST = 1.0
"""Seconds between two looks at the disk."""

SHARE = 5
"""A look waits this many times as long as the last one took, so that large projects stay calm."""


class View:
    """The board of one project. Safe to use from several threads.

    Args:
        state: Path of the file in which the state is.
    """

    def __init__(self, root: Path, state: str, options: Options) -> None:
        self.root = root
        self._state, self._options = state, options
        self._hashes = ContentHashes()
        self._history = History(root)
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._error: HyggeError | None = None
        self._state_files = (state, f"{state}-wal")
        self._watched: Sequence[str] = ()
        self._seen: object = None
        self._next = 0.0

    def board(self) -> Board:
        """Return the project as it is now, or was a moment ago.

        It is the same object as long as nothing has changed.

        Raises:
            HyggeError: Nothing can be told of the project at all; the next call tries again.
        """
        with self._lock:
            if self._is_unseen() or time.monotonic() >= self._next:
                self._error = None
                began = time.monotonic()
                try:
                    self._look()
                except HyggeError as error:
                    self._error = error
                now = time.monotonic()
                self._next = now + max(SHORTEST, SHARE * (now - began))
            if self._error is not None:
                raise self._error
            assert self._board is not None
            return self._board

    def _is_unseen(self) -> bool:
        return self._board is None and self._error is None

    def _look(self) -> None:
        seen = _signatures([*self._watched, *self._state_files, *self._history.files()])
        if self._board is not None and seen == self._seen and not self._history.is_going_on():
            return
        # What changes while it is looked at is seen next time.
        self._seen = None
        project = projects.load(self.root)
        state = State(self._state)
        plan = Coordinator(project, state, self._options, self._hashes).plan()
        board = gathered(project, plan, state, self._history.bars())
        state.dump()
        if self._board is None or dataclasses.replace(board, made=self._board.made) != self._board:
            self._board = board
        before, self._watched = self._watched, list(watched(project, self._board))
        self._seen = seen if before == self._watched else None


def _signatures(paths: Sequence[str]) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(map(_signature, paths))


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
