"""This is where a process is killed just before its n-th change of the disk, whichever thread's.

strace can do so too, but it counts anew for each thread and for each kind of call, so that a call
of a thread of polars is hardly ever the one that is hit. Here they are counted as they come. A
seccomp filter, which the process takes on itself, stops it at the calls that can change the disk
and at no other; who started it traces it, counts, and sends SIGKILL while the call is held. The
call is not made. Linux on x86-64 only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys

OPENAT = 257
WRITE = 1

CALLS = {
    WRITE: "write",
    18: "pwrite64",
    20: "writev",
    40: "sendfile",
    74: "fsync",
    75: "fdatasync",
    76: "truncate",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    84: "rmdir",
    86: "link",
    87: "unlink",
    88: "symlink",
    162: "sync",
    OPENAT: "openat",
    258: "mkdirat",
    263: "unlinkat",
    264: "renameat",
    265: "linkat",
    266: "symlinkat",
    285: "fallocate",
    296: "pwritev",
    306: "syncfs",
    316: "renameat2",
    326: "copy_file_range",
}
"""What can change the disk, by number; `openat` is counted where it opens to write, `write` where
it writes to something else than the streams of the process."""

_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# <linux/audit.h>, <linux/filter.h>, <linux/seccomp.h>, <sys/prctl.h>
_ARCHITECTURE = 0xC000003E
_LOAD, _IF_EQUAL, _IF_GREATER, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _TELL_TRACER = 0x7FFF0000, 0x7FF00000
_NUMBER, _ARCH, _FIRST_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 32
_SET_SECCOMP, _NO_NEW_PRIVILEGES, _FILTER = 22, 38, 2

# <sys/ptrace.h>
_TRACE_ME, _CONTINUE, _SET_OPTIONS, _MESSAGE = 0, 7, 0x4200, 0x4201
_OPTIONS = 0x02 | 0x04 | 0x08 | 0x80 | 0x100000  # forks, vforks, clones, filters; ends with tracer
_HELD_BY_FILTER = signal.SIGTRAP | 7 << 8
_ALL_CHILDREN = 0x40000000


def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    library.ptrace.restype = ctypes.c_long
    library.prctl.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 4]
    return library


_LIBC = _libc() if sys.platform == "linux" and platform.machine() == "x86_64" else None


def _may_trace() -> bool:
    """Tell whether a child can ask to be traced here: some containers forbid it."""
    if _LIBC is None:
        return False
    child = os.fork()
    if not child:
        os._exit(1 if _LIBC.ptrace(_TRACE_ME, 0, None, None) else 0)
    return os.waitpid(child, 0)[1] == 0


IS_POSSIBLE = _may_trace()
"""Whether calls can be counted on this machine."""


def be_counted() -> None:
    """Have this process counted from here on, by the one that forked it and calls `count`."""
    assert _LIBC is not None
    _LIBC.ptrace(_TRACE_ME, 0, None, None)
    os.kill(os.getpid(), signal.SIGSTOP)
    _take_on(_filter())


def count(child: int, kill_at: int = 0) -> tuple[int, list[str], str]:
    """Count the calls of *child* until it ends; kill it just before one of them.

    Args:
        child: Process that has called, or is about to call, `be_counted`.
        kill_at: Number of the call, from 1; 0 for none.

    Returns:
        Its status, the names of its calls in order, and the name of the call it was killed before;
        empty if it ended before that.
    """
    assert _LIBC is not None
    made: list[str] = []
    last = ""
    os.waitpid(child, _ALL_CHILDREN)
    _LIBC.ptrace(_SET_OPTIONS, child, None, _OPTIONS)
    _LIBC.ptrace(_CONTINUE, child, None, None)
    while True:
        task, status = os.waitpid(-1, _ALL_CHILDREN)
        if not os.WIFSTOPPED(status):
            if task == child:
                return status, made, last
            continue
        stopped_by = os.WSTOPSIG(status)
        event = status >> 8
        if event == _HELD_BY_FILTER and not last:
            name = CALLS[_message(task)]
            if len(made) + 1 == kill_at:
                last = name
                os.kill(child, signal.SIGKILL)
                continue
            made.append(name)
        # The first stop of a new thread is the tracer's alone.
        is_ours = event >> 8 or stopped_by in (signal.SIGSTOP, signal.SIGTRAP)
        _LIBC.ptrace(_CONTINUE, task, None, 0 if is_ours else stopped_by)


def _message(task: int) -> int:
    assert _LIBC is not None
    message = ctypes.c_ulong()
    _LIBC.ptrace(_MESSAGE, task, None, ctypes.addressof(message))
    return message.value


def _filter() -> bytes:
    """Return a program for the kernel that holds a process at `CALLS`."""
    lines = [(_LOAD, 0, 0, _ARCH), (_IF_EQUAL, 1, 0, _ARCHITECTURE), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_LOAD, 0, 0, _NUMBER))
    conditions = {
        OPENAT: (_THIRD_ARGUMENT, _IF_ANY_BIT, _TO_WRITE),
        WRITE: (_FIRST_ARGUMENT, _IF_GREATER, 2),
    }
    for number in CALLS:
        told = (_RETURN, 0, 0, _TELL_TRACER | number)
        if number in conditions:
            argument, test, value = conditions[number]
            lines += [(_IF_EQUAL, 0, 4, number), (_LOAD, 0, 0, argument), (test, 0, 1, value)]
            lines += [told, (_RETURN, 0, 0, _ALLOW)]
        else:
            lines += [(_IF_EQUAL, 0, 1, number), told]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _take_on(program: bytes) -> None:
    assert _LIBC is not None
    held = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(held))
    described = ctypes.create_string_buffer(head)
    _LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if _LIBC.prctl(_SET_SECCOMP, _FILTER, ctypes.addressof(described), 0, 0):
        raise OSError(ctypes.get_errno(), "the process can't be counted")
