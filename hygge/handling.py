"""This is where it is read how partitions are handled: what can't change what comes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hygge.document import Document
from hygge.errors import ConfigError

THREAD, PROCESS = "thread", "process"
"""Where a partition is shaped: in the process of the run, or in one of its own."""

_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Retry:
    """How often a partition is tried again when what failed may pass by itself."""

    max_attempts: int = 3
    """How often it is tried in all."""
    backoff_s: float = 1.0
    """Seconds to wait before the second attempt; each wait is twice as long as the one before."""
    max_backoff_s: float = 60.0
    """Seconds of the longest wait."""
    jitter: bool = True
    """Whether up to `backoff_s` more seconds are waited, by chance."""
    also: tuple[str, ...] = ()
    """What is tried again beside: ``timeout``, ``crash``."""


def timeout_of(document: Document) -> float | None:
    """Return the seconds that shaping a partition may take; None for any."""
    written = document.values.get("timeout")
    if not isinstance(written, str):
        return None if written is None else float(written)
    digits = written.rstrip("".join(_UNITS))
    return float(digits) * _UNITS[written.removeprefix(digits) or "s"]


def isolate_of(document: Document) -> str:
    """Return where a partition is shaped: ``thread`` or ``process``.

    Raises:
        ConfigError: It is to be a thread, which nothing can end, and may take only so long.
    """
    limited = timeout_of(document) is not None
    written = document.values.get("isolate", PROCESS if limited else THREAD)
    if limited and written == THREAD:
        raise document.error(
            ("isolate",),
            "what has a 'timeout' must be a process: a thread can't be stopped",
            "remove 'isolate', or write 'timeout: null'",
        )
    return str(written)


def retry_of(document: Document) -> Retry | None:
    """Return how a partition is tried again; None if it is not.

    Raises:
        ConfigError: The longest wait is shorter than the first.
    """
    written: dict[str, Any] | None = document.values.get("retry")
    if written is None:
        return None
    retry = Retry(**{**written, "also": tuple(written.get("also", ()))})
    if retry.max_backoff_s < retry.backoff_s:
        raise _longest_first(document, retry)
    return retry


def _longest_first(document: Document, retry: Retry) -> ConfigError:
    key = "max_backoff_s" if "max_backoff_s" in document.values["retry"] else "backoff_s"
    what = f"the longest wait, {retry.max_backoff_s:g} s, is shorter than the first, "
    hint = f"max_backoff_s: {retry.backoff_s:g}"
    return document.error(("retry", key), f"{what}{retry.backoff_s:g} s", hint)
