"""This is where errors are made fit to be shown, and where those of a run are found again."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator

from hygge import redaction
from hygge.errors import ConfigError, HyggeError, RunInProgress, StateError, UsageError


@contextlib.contextmanager
def secrets_hidden() -> Iterator[None]:
    """Hide secrets in the `HyggeError` that is raised within: Python will show it."""
    redaction.register_environment()
    try:
        yield
    except HyggeError as error:
        hidden(error)
        raise


def hidden(error: HyggeError) -> HyggeError:
    """Return *error* itself, with ``***`` for each secret in it."""
    error.what, error.where, error.hint = map(redaction.hide, (error.what, error.where, error.hint))
    error.args = (error.what, error.where, error.hint)
    return error


def error_in(printed: str, known: Iterable[HyggeError]) -> HyggeError:
    """Return the first error that a run which was not started *printed*.

    It is the one of *known* with the same message, where there is one.
    """
    start = re.search(r"^error: ", printed, re.MULTILINE)
    if start is None:
        lines = printed.strip().splitlines()
        hint = "see where: type 'doit list' in the project's root"
        return ConfigError("the project can't be loaded", lines[-1] if lines else "", hint)
    first = printed[start.end() :].split("\nerror: ")[0].rstrip("\n")
    head, _, hint = first.partition("\n  try: ")
    what, _, where = head.partition("\n  at ")
    same = next((each for each in known if redaction.hide(each.what) == what), None)
    return same or _class_of(what, where)(what, where, hint)


def _class_of(what: str, where: str) -> type[HyggeError]:
    """Return the class of an error that only the run's own process met."""
    if what.startswith("another run holds"):
        return RunInProgress
    if "DOIT_CONFIG" in what + where or where.startswith("dodo.py"):
        return ConfigError
    if ".doit.db" in what + where or ".hygge" in what + where:
        return StateError
    return UsageError
