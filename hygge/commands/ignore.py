"""This is where `doit ignore` takes patterns and tells an unknown task without a traceback."""

from __future__ import annotations

import doit.cmd_ignore

from hygge.commands.telling import Telling, expanded


class Ignore(Telling, doit.cmd_ignore.Ignore):  # type: ignore[misc]
    """doit's ``ignore``."""

    def _execute(self, pos_args: list[str]) -> None:
        super()._execute(expanded(pos_args, self.task_list))
