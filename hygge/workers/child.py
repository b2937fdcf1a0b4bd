"""This is where a worker's own process does its work: it reads, transforms, checks and stages."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import functools
import os
import pickle
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import NoReturn

from hygge.attempt import Attempt
from hygge.contract import Columns
from hygge.error_record import record
from hygge.errors import HyggeError
from hygge.fingerprint import ContentHashes
from hygge.shape import Shaping
from hygge.transient import may_pass
from hygge.workers.channel import Asked, Begin, Channel, Done, Failed, Flow, Ready, Work

_PR_SET_PDEATHSIG = 1


class Unforeseen(Exception):
    """Something that hygge did not foresee, met in a worker; it was remembered there."""

    recorded: object = None


def main(descriptor: int) -> NoReturn:
    """Do what comes in by *descriptor*, one thing after the other, until nothing more can come."""
    channel = Channel(socket.socket(fileno=descriptor))
    with contextlib.suppress(EOFError):
        begin: Begin = channel.receive()
        _begin(begin)
        import polars  # noqa: F401 - the time that it takes is not the work's

        channel.send(Ready())
        _work(channel)
    os._exit(0)  # a thread that a function left behind is not waited for


def _begin(begin: Begin) -> None:
    threading.current_thread().name = f"worker {os.getpid()}"
    # Only what is meant for this process comes to it; its end is the run's to tell.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    faulthandler.enable(begin.places, all_threads=True)
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if sys.platform == "linux":
        # Even code that never lets go of Python ends with the run.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != begin.parent:
            os._exit(0)


def _work(channel: Channel) -> None:
    hashes = ContentHashes()
    flow: Flow | None = None
    while True:
        told = channel.receive()
        if isinstance(told, Flow):
            flow = told
            hashes.learn(flow.hashes)
            continue
        assert flow is not None, "a flow comes before its partitions"
        channel.send(_done(told, flow, hashes, channel))


def _done(work: Work, flow: Flow, hashes: ContentHashes, channel: Channel) -> Done | Failed:
    accept = functools.partial(_accepted, channel)
    shaping = Shaping(flow.prepared, work.partition, work.run, work.instant, accept)
    try:
        return Done(Attempt(shaping, hashes)())
    except EOFError:
        os._exit(0)  # the run is gone, there is nobody to tell
    except HyggeError as error:
        error.may_pass = may_pass(error)
        error.recorded = _recorded(error, work)
        return Failed(error if _arrives(error) else _unforeseen(error, work))
    except BaseException as error:  # noqa: BLE001 - told where the run tells such
        return Failed(_unforeseen(error, work))
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()


def _unforeseen(error: BaseException, work: Work) -> Unforeseen:
    unforeseen = Unforeseen(f"{type(error).__name__}: {error}")
    unforeseen.recorded = _recorded(error, work)
    unforeseen.add_note("".join(traceback.format_exception(error)))
    return unforeseen


def _arrives(error: Exception) -> bool:
    """Tell whether *error* is the same on the other side; one of a package need not be."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does
        return False
    return True


def _recorded(error: BaseException, work: Work) -> object:
    return record(error, work.task, work.partition.sources[0].path)


def _accepted(channel: Channel, columns: Columns) -> Sequence[str]:
    """Hold *columns* against the contract, of which only the run knows."""
    channel.send(Asked(columns))
    answer: Sequence[str] | HyggeError = channel.receive()
    if isinstance(answer, HyggeError):
        raise answer
    return answer
