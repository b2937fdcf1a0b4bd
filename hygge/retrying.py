"""This is where a partition is tried again, when what failed may pass by itself."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from hygge.errors import ConfigError, Timeout, WorkerCrashed
from hygge.handling import Retry
from hygge.transient import may_pass

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

SECONDS_BETWEEN_LOOKS = 0.05
"""How often it is looked, while one waits, whether the run is to stop."""

_ALSO = {"timeout": Timeout, "crash": WorkerCrashed}


@dataclass(frozen=True)
class Told:
    """One attempt that failed and is to be followed by another."""

    attempt: int
    """1 is the first."""
    max_attempts: int
    wait_s: float
    """Seconds until the next one."""
    error: BaseException
    """What failed."""


def retrying(
    act: Callable[[], T],
    retry: Retry,
    tell: Callable[[Told], None],
    is_stopping: Callable[[], bool],
) -> T:
    """Return what *act* returns, in one of the attempts that *retry* allows.

    Args:
        act: What can be done again after it failed.
        tell: Called before each wait.
        is_stopping: Whether the run is to stop: then nothing is waited for or tried again.

    Raises:
        ConfigError: tenacity is not installed.
        HyggeError: What the last attempt raised.
    """
    tenacity = _tenacity()

    def passes(error: BaseException) -> bool:
        return isinstance(error, tuple(_ALSO[each] for each in retry.also)) or may_pass(error)

    def before(state: RetryCallState) -> None:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert error is not None, "only what failed is tried again"
        failed.append(error)
        tell(Told(state.attempt_number, retry.max_attempts, state.upcoming_sleep, error))

    def attempt() -> T:
        if failed and is_stopping():
            raise failed[-1]
        return act()

    failed: list[BaseException] = []
    jitter = retry.backoff_s if retry.jitter else 0.0
    again = tenacity.Retrying(
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(retry.max_attempts), lambda _: is_stopping()
        ),
        wait=tenacity.wait_exponential_jitter(
            initial=retry.backoff_s, max=retry.max_backoff_s, jitter=jitter
        ),
        retry=tenacity.retry_if_exception(passes),
        before_sleep=before,
        sleep=functools.partial(_wait, is_stopping),
        reraise=True,
    )
    result: T = again(attempt)
    return result


def _wait(is_stopping: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, SECONDS_BETWEEN_LOOKS))


def _tenacity() -> ModuleType:
    # Imported here: most flows are tried once, and need no such package.
    try:
        import tenacity
    except ImportError as error:
        raise ConfigError(
            "'retry' needs the package tenacity, which is not installed",
            "",
            "install it: pip install 'hygge-data[retry]'",
        ) from error
    return tenacity
