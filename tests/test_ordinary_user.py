"""Rights that are missing, as an ordinary user meets them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import ProjectFolder, Result

AS_ORDINARY = """
import ctypes, os, sys
if os.geteuid() == 0:
    # Root ignores a file's mode by two capabilities; what they are dropped for obeys it.
    libc = ctypes.CDLL(None, use_errno=True)
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            sys.exit(77)
os.execv(sys.executable, [sys.executable, "-m", "doit", *sys.argv[1:]])
"""
"""Runs doit so that modes count, for root too; exits with 77 where root can't be kept to them."""

Doit = Callable[..., Result]


@pytest.fixture
def ordinary(project: ProjectFolder) -> Doit:
    """Type `doit` as a user who owns the project and has no more rights than that."""

    def doit(*args: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-c", AS_ORDINARY, *args],
            cwd=project.root,
            env=project.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode == 77:
            pytest.skip("root can't be kept from ignoring modes here")
        return Result(done.returncode, done.stdout, done.stderr)

    return doit


def test_unreadable_source_fails_its_partition_with_a_hint(
    project: ProjectFolder, ordinary: Doit
) -> None:
    project.months(2)
    source = project.root / "data/home/flights/2013-01.parquet"
    source.chmod(0)
    result = ordinary("--continue")

    assert result.code == 1
    assert (
        "flights:2013-01  failed\n"
        "error: 'data/home/flights/2013-01.parquet' can't be read: Permission denied\n"
        "  at data/home/flights/2013-01.parquet\n"
        "  try: see to it that you may read it, or exclude it\n"
    ) in result.out
    assert result.moved == 1


def test_store_without_the_right_to_write_keeps_what_it_has(
    project: ProjectFolder, ordinary: Doit
) -> None:
    project.months(2)
    ordinary()
    before = project.digest()
    project.parquet("data/home/flights/2013-01.parquet", 9)
    store = project.root / "data/store/flights"
    store.chmod(0o555)
    result = ordinary()
    store.chmod(0o755)

    assert result.code == 1
    assert (
        "error: 'data/store/flights/2013-01.parquet' can't be written: Permission denied\n"
        "  at data/store/flights/2013-01.parquet\n"
        "  try: see to it that there is room and that you may write there; then run again\n"
    ) in result.out
    assert project.digest() == before
    assert ordinary().moved == 1


def test_left_over_that_may_not_be_removed_is_told(project: ProjectFolder, ordinary: Doit) -> None:
    # It was a traceback.
    project.months(1)
    left = "data/store/flights/.x.parquet.20130101T000000000Z-abcdef.tmp"
    store = project.write(left, b"half").parent
    store.chmod(0o555)
    result = ordinary()
    store.chmod(0o755)

    assert result.code == 3
    assert result.err == (
        f"error: '{left}' can't be written: Permission denied\n"
        f"  at {left}\n"
        "  try: see to it that there is room and that you may write there; then run again\n"
    )


def test_project_that_may_only_be_read_can_be_planned(
    project: ProjectFolder, ordinary: Doit
) -> None:
    project.months(1)
    ordinary()
    for path in (project.root, project.root / ".hygge"):
        path.chmod(0o555)
    planned = ordinary("plan")
    for path in (project.root, project.root / ".hygge"):
        path.chmod(0o755)

    assert (planned.code, planned.out) == (0, "Nothing to move: 1 up to date.\n")


def test_empty_log_of_the_state_that_is_somebody_elses_is_no_damage(
    project: ProjectFolder, ordinary: Doit
) -> None:
    project.months(2)
    project.doit()
    for suffix in ("-wal", "-shm"):
        project.write(f".doit.db{suffix}", b"").chmod(0o444)
    result = ordinary()

    assert (result.code, result.err) == (0, "")
    assert result.counts["unchanged"] == 2


def test_log_of_a_killed_run_of_somebody_else_is_no_damage(
    project: ProjectFolder, ordinary: Doit
) -> None:
    project.months(2)
    project.doit()
    killed = "; ".join(
        (
            "import os",
            "from hygge.state import State",
            "state = State('.doit.db')",
            "state.fail('flights:2013-01', 'not come to its end')",
            "os._exit(0)",
        )
    )
    subprocess.run([sys.executable, "-c", killed], cwd=project.root, check=True)
    for suffix in ("-wal", "-shm"):
        (project.root / f".doit.db{suffix}").chmod(0o444)
    result = ordinary()

    assert (result.code, result.err) == (
        3,
        "error: '.doit.db' can't be written: attempt to write a readonly database\n"
        "  at .doit.db\n"
        "  try: see to it that there is room and that you may write there; then run again\n",
    )
    assert list(project.root.glob("*.corrupt-*")) == []
    assert "last move failed: not come to its end" in ordinary("plan").out


def test_what_is_only_looked_at_leaves_nothing_beside_the_state(
    project: ProjectFolder, ordinary: Doit
) -> None:
    project.months(2)
    project.doit()
    before = sorted(project.root.iterdir())
    for words in (["plan"], ["list"], ["info"], ["why"], ["verify"], ["clean", "--dry-run"]):
        ordinary(*words)

    assert sorted(project.root.iterdir()) == before


def test_dry_run_of_clean_needs_no_right_to_write(project: ProjectFolder, ordinary: Doit) -> None:
    project.months(1)
    project.doit()
    for folder in (project.root, project.root / ".hygge"):
        folder.chmod(0o555)
    (project.root / ".hygge/lock").chmod(0o444)
    result = ordinary("clean", "--dry-run", "flights")
    for folder in (project.root, project.root / ".hygge"):
        folder.chmod(0o755)

    assert (result.code, result.err) == (0, "")
    assert result.out == ("flights:2013-01 - removing file 'data/store/flights/2013-01.parquet'\n")
