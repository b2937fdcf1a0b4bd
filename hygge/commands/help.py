"""This is where `doit help` ends in good order when its reader has seen enough."""

from __future__ import annotations

import doit.cmd_help

from hygge.commands.telling import Telling


class Help(Telling, doit.cmd_help.Help):  # type: ignore[misc]
    """doit's ``help``."""

    name = "help"
