"""This is where `doit list` also says which flows can't be used."""

from __future__ import annotations

import inspect
from typing import Any

import doit.cmd_list

from hygge.commands.telling import NOTHING_STARTED, Telling, tell_broken


class List(Telling, doit.cmd_list.List):  # type: ignore[misc]
    """doit's ``list``."""

    def _execute(self, **options: Any) -> int:
        result = int(super()._execute(**options))
        return NOTHING_STARTED if tell_broken(self.task_list) else result

    _execute.__signature__ = inspect.signature(doit.cmd_list.List._execute)  # type: ignore[attr-defined]
