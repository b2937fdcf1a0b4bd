"""This is where a process has imported everything and forks for each `doit` that is typed.

A child begins where Python and polars are loaded and nothing was done. Nothing of hygge is replaced
in it. Whoever needs more than that, a child that is stopped or one whose calls fail, has a module
with two functions: ``prepare`` is called in the child before the command, ``watch`` in its parent.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Request = dict[str, Any]
"""``root`` and ``args`` of the command, and what the module's two functions go by."""

PAUSE = {"pause": True}
"""What is said instead of an answer when whoever asked is to do something first."""


class Forking:
    """A process that forks for each request. Requests made at once wait for each other.

    Args:
        module: Name of the module with ``prepare(request)`` and ``watch(child, request, pause)``;
            the second waits for the child and returns its status and what the answer says beside
            ``code``, ``out`` and ``err``. ``pause()`` returns when who asked has done its part.
        enter: What the command begins with that starts it.
    """

    def __init__(self, module: str, enter: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*enter, sys.executable, __file__, module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if k not in ("CI", "PYTHONPATH")},
            text=True,
        )

    def ask(self, request: Request) -> None:
        """Have a command typed; each request has one `answer`, in their order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def answer(self, paused: Callable[[], object] | None = None) -> dict[str, Any]:
        """Wait until the command has ended, and return what is said of it.

        Args:
            paused: Is called each time that ``watch`` pauses, and while it does.
        """
        while (answer := self._line()) == PAUSE:
            assert self._process.stdin is not None
            if paused is not None:
                paused()
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return answer

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks has ended")
        read: dict[str, Any] = json.loads(line)
        return read

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def serve(module: ModuleType) -> None:
    """Answer the requests that come in, until no more can come."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _warm_up()

    def say(what: dict[str, Any]) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    def pause() -> None:
        say(PAUSE)
        sys.stdin.readline()

    for line in sys.stdin:
        request = json.loads(line)
        files = [os.memfd_create(name) for name in ("out", "err")]
        child = os.fork()
        if not child:
            _child(module, request, *files)
        status, more = module.watch(child, request, pause)
        out, err = map(_text, files)
        code = os.waitstatus_to_exitcode(status)
        say({"code": code, "out": out, "err": err, **more})


def _warm_up() -> None:
    """Import what a command would; nothing may start a thread, for none survives a fork."""
    import gc
    import pkgutil

    import hygge

    for module in (
        "polars",
        "pyarrow.csv",
        "pyarrow.parquet",
        "jsonschema",
        "pathspec",
        "rich",
        "filelock",
    ):
        importlib.import_module(module)
    for found in pkgutil.walk_packages(hygge.__path__, "hygge."):
        importlib.import_module(found.name)
    importlib.metadata.entry_points()
    gc.freeze()
    gc.disable()  # in a child that ends soon, collecting only copies pages


def _text(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


def _child(module: ModuleType, request: Request, out: int, err: int) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(request["root"])
        sys.argv = ["doit", *request["args"]]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        module.prepare(request)
        code = _command(request["args"])
    except KeyboardInterrupt:  # before hygge hears of signals; Python ends so too
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001 - whatever it was, the child ends with it
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command(args: Sequence[str]) -> int:
    from doit.doit_cmd import DoitMain

    return int(DoitMain().run(list(args)) or 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the suite by nohup hands it on
    serve(importlib.import_module(sys.argv[1]))
