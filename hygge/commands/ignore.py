"""This is where `doit ignore` tells an unknown task without a traceback."""

from __future__ import annotations

import doit.cmd_ignore

from hygge.commands.telling import Telling


class Ignore(Telling, doit.cmd_ignore.Ignore):  # type: ignore[misc]
    """doit's ``ignore``."""
