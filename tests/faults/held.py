"""This is where each call of a process that touches a project's files is held, told, and let go.

Or not let go: whoever is told may have it fail with an error instead. The process is held by the
same means as in `calls`, before the call is made; what it is about to write, where and to which
file is read from its memory and from ``/proc``. Linux on x86-64 only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from faults import calls

READING = {0: "read", 17: "pread64", 217: "getdents64", calls.OPENAT: "openat"}
"""Calls that read, by number; an `openat` that opens to write is told as one that writes."""

WRITING = calls.CALLS | {277: "sync_file_range"}

LOOKING = {3: "close", 5: "fstat", 8: "lseek", 9: "mmap", 262: "newfstatat", 332: "statx"}
"""Calls beside these that a file is touched by which is read, by number."""

NAMES = {**WRITING, **READING, **LOOKING}

_BY_DESCRIPTOR = {0, 1, 3, 5, 8, 9, 17, 18, 20, 40, 74, 75, 77, 217, 277, 285, 296, 306}
_BY_PATH = {76: 0, 82: 0, 83: 0, 84: 0, 86: 0, 87: 0, 88: 1, 257: 1, 258: 1, 263: 1, 264: 1, 316: 1}
_BY_PATH_OR_DESCRIPTOR = {262: 1, 332: 1}
_PATHS = {**_BY_PATH, **_BY_PATH_OR_DESCRIPTOR}
_OF_MMAP = 4
_TARGET = {82: 1, 264: 3, 316: 3}

_GET_REGISTERS, _SET_REGISTERS = 12, 13
_RAX, _ORIG_RAX = 10, 15
_ARGUMENTS = (14, 13, 12, 7, 9, 8)
_AT_FDCWD = -100


@dataclass(frozen=True)
class Call:
    """What a process is about to do to a file."""

    name: str
    """As the kernel calls it; ``sync`` for everything."""
    path: str
    """From the project's root; empty for all."""
    target: str = ""
    """The new name, of a rename."""
    data: bytes = b""
    """What is to be written."""
    number: int = 0
    """Where it is to be written; the new length, of a truncation; flags, of an opening; the inode,
    of a rename."""


SHORT = -1
"""Instead of an error: the call is made, with half of what it asks for, as the kernel may."""

Answer = Callable[[Call], int]
"""Returns the number of the error with which the call is to fail, or `SHORT`; 0 lets it be made."""


def be_held(at: Iterable[int]) -> None:
    """Have this process held *at* some of the calls in `NAMES` from here on.

    By the one that forked it and calls `hold`.
    """
    assert calls._LIBC is not None
    calls._LIBC.ptrace(calls._TRACE_ME, 0, None, None)
    os.kill(os.getpid(), signal.SIGSTOP)
    calls._take_on(_program(at))


def _program(numbers: Iterable[int]) -> bytes:
    lines = [
        (calls._LOAD, 0, 0, calls._ARCH),
        (calls._IF_EQUAL, 1, 0, calls._ARCHITECTURE),
        (calls._RETURN, 0, 0, calls._ALLOW),
        (calls._LOAD, 0, 0, calls._NUMBER),
    ]
    for number in numbers:
        lines.append((calls._IF_EQUAL, 0, 1, number))
        lines.append((calls._RETURN, 0, 0, calls._TELL_TRACER | number))
    lines.append((calls._RETURN, 0, 0, calls._ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def hold(child: int, root: Path, answer: Answer) -> int:
    """Hold *child* at each call on a file below *root*, until it ends; return its status."""
    libc = calls._LIBC
    assert libc is not None
    os.waitpid(child, calls._ALL_CHILDREN)
    libc.ptrace(calls._SET_OPTIONS, child, None, calls._OPTIONS)
    libc.ptrace(calls._CONTINUE, child, None, None)
    while True:
        task, status = os.waitpid(-1, calls._ALL_CHILDREN)
        if not os.WIFSTOPPED(status):
            if task == child:
                return status
            continue
        stopped_by, event = os.WSTOPSIG(status), status >> 8
        if event == calls._HELD_BY_FILTER:
            held = _Held(task, root)
            call = held.call()
            error = answer(call) if call is not None else 0
            if error == SHORT:
                held.shorten()
            elif error:
                held.fail(error)
        passed_on = (
            0 if event >> 8 or stopped_by in (signal.SIGSTOP, signal.SIGTRAP) else stopped_by
        )
        libc.ptrace(calls._CONTINUE, task, None, passed_on)


class _Held:
    """A thread that is held at a call."""

    def __init__(self, task: int, root: Path) -> None:
        self._task = task
        self._root = os.path.join(root, "")
        self._registers = (ctypes.c_ulonglong * 27)()
        assert calls._LIBC is not None
        calls._LIBC.ptrace(_GET_REGISTERS, task, None, ctypes.addressof(self._registers))

    def fail(self, error: int) -> None:
        """Let the call fail with *error*; it is not made."""
        self._registers[_ORIG_RAX] = 2**64 - 1
        self._registers[_RAX] = 2**64 - error
        assert calls._LIBC is not None
        calls._LIBC.ptrace(_SET_REGISTERS, self._task, None, ctypes.addressof(self._registers))

    def shorten(self) -> None:
        """Let the call, which reads or writes bytes, be made with half of them, one at least."""
        length = _ARGUMENTS[2]
        self._registers[length] = max(int(self._registers[length]) // 2, 1)
        assert calls._LIBC is not None
        calls._LIBC.ptrace(_SET_REGISTERS, self._task, None, ctypes.addressof(self._registers))

    def call(self) -> Call | None:
        """Return what it is about to do; None if that is not to a file of the project."""
        number = int(self._registers[_ORIG_RAX])
        arguments = [int(self._registers[each]) for each in _ARGUMENTS]
        name = NAMES[number]
        if number == 162:
            return Call("sync", "")
        if number in _BY_DESCRIPTOR:
            return self._on_descriptor(name, number, arguments)
        if number in _BY_PATH_OR_DESCRIPTOR and not self._text(arguments[1]):
            return self._on_descriptor(name, number, arguments)
        path = self._inside(_PATHS[number], arguments, number)
        if path is None:
            return None
        if number in _TARGET:
            target = self._inside(_TARGET[number], arguments, number)
            inode = self._inode(path)
            return Call(name, path, target or "", number=inode)
        if number == calls.OPENAT:
            return Call(name, path, number=arguments[2])
        return Call(name, path, number=arguments[1] if number == 76 else 0)

    def _inode(self, path: str) -> int:
        try:
            return os.stat(self._root + path).st_ino
        except FileNotFoundError:
            return 0

    def _on_descriptor(self, name: str, number: int, arguments: list[int]) -> Call | None:
        descriptor = arguments[_OF_MMAP if number == 9 else 0]
        try:
            path = os.readlink(f"/proc/{self._task}/fd/{descriptor}")
        except OSError:
            return None
        if not (path + "/").startswith(self._root):
            return None
        path = path[len(self._root) :]
        if number in (1, 18):
            data = self._memory(arguments[1], arguments[2])
            offset = arguments[3] if number == 18 else self._position(descriptor)
            return Call(name, path, data=data, number=offset)
        return Call(name, path, number=arguments[1] if number == 77 else 0)

    def _position(self, descriptor: int) -> int:
        with open(f"/proc/{self._task}/fdinfo/{descriptor}") as told:  # noqa: PTH123
            return int(told.readline().split()[1])

    def _inside(self, which: int, arguments: list[int], number: int) -> str | None:
        path = self._text(arguments[which])
        if not path.startswith("/"):
            above = _AT_FDCWD
            if number >= calls.OPENAT:
                above = ctypes.c_int(arguments[which - 1] & 0xFFFFFFFF).value
            place = "cwd" if above == _AT_FDCWD else f"fd/{above}"
            path = os.path.join(os.readlink(f"/proc/{self._task}/{place}"), path)
        path = os.path.normpath(path)
        return path[len(self._root) :] if (path + "/").startswith(self._root) else None

    def _memory(self, address: int, length: int) -> bytes:
        with open(f"/proc/{self._task}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
            memory.seek(address)
            return memory.read(length) if length else b""

    def _text(self, address: int) -> str:
        found = b""
        while b"\0" not in found:  # a page at a time: the next one may not be there
            found += self._memory(address + len(found), 4096 - (address + len(found)) % 4096)
        return os.fsdecode(found.partition(b"\0")[0])
