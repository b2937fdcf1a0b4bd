"""This is where it is told whether what failed may pass by itself."""

from __future__ import annotations

import errno
import re
import sqlite3

from hygge.errors import HyggeError, SourceChanged, causes

PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EWOULDBLOCK,
    }
)
"""What an operating system says of what may be otherwise in a moment."""

PASSING_STATUS = frozenset({408, 425, 429, 502, 503, 504})
"""What a web server says of the same."""

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_TRY_AGAIN = -3  # EAI_AGAIN of name resolution, which is no errno


def may_pass(error: BaseException) -> bool:
    """Tell whether *error*, or the first of its causes that can tell, may pass by itself.

    What nothing can tell of will not: bad data, a missing file, a permission, a full disk.
    """
    for each in causes(error):
        verdict = _verdict(each)
        if verdict is not None:
            return verdict
    return False


def _verdict(error: BaseException) -> bool | None:
    """Return what *error* itself tells; None if it tells nothing."""
    if isinstance(error, HyggeError):
        return True if error.may_pass or isinstance(error, SourceChanged) else None
    status = _status(error)
    if status is not None:
        return status in PASSING_STATUS
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return None if code is None else code & 0xFF in (5, 6)  # BUSY and LOCKED
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in PASSING or error.errno == _TRY_AGAIN
    if isinstance(error, ConnectionError | TimeoutError | BlockingIOError | InterruptedError):
        return True
    # polars writes the number into the text, whatever the class.
    told = _OS_ERROR.search(str(error))
    return int(told[1]) in PASSING if told else None


def _status(error: BaseException) -> int | None:
    """Return the status that a web server answered with, as urllib, requests or httpx tell it."""
    if type(error).__name__ == "HTTPError":
        code = getattr(error, "code", None)
        return code if isinstance(code, int) else _status_of_response(error)
    return _status_of_response(error)


def _status_of_response(error: BaseException) -> int | None:
    code = getattr(getattr(error, "response", None), "status_code", None)
    return code if isinstance(code, int) else None
