"""This is where doit asks whether a file that a person's own task depends on has changed."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from doit.dependency import FileChangedChecker

from hygge.errors import HomeError
from hygge.fingerprint import ContentHashes, Signature


class ContentChecker(FileChangedChecker):  # type: ignore[misc]
    """Says whether a file changed by the same rule as the plan: signature first, then content.

    doit stores the name of this class with each task; renaming it makes everything stale.
    """

    def __init__(self) -> None:
        self.hashes = ContentHashes()

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: list[Any]) -> bool:
        """Tell whether the file's content is another than when *state* was taken."""
        now = Signature.of(file_stat)
        _, digest, *numbers = state
        if Signature(*numbers).proves(now):
            return False
        return bool(self.hashes.read(os.path.abspath(file_path), now) != digest)

    def get_state(self, dep: str, current_state: list[Any] | None) -> list[Any] | None:
        """Return what to remember of the file at *dep*; None if that is *current_state*.

        Raises:
            HomeError: It can't be read.
        """
        try:
            now = Signature.of(os.stat(dep))
            if current_state is not None and Signature(*current_state[2:]).proves(now):
                return None
            digest = self.hashes.read(os.path.abspath(dep), now)
        except OSError as error:
            hint = "see to it that you may read it when the task has ended"
            raise HomeError(f"'{dep}' can't be read: {error.strerror}", dep, hint) from error
        return [dep, digest, *dataclasses.astuple(now)]
