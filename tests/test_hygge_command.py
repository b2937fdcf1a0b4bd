"""What `hygge` is for those who come from another hygge project: `go`, `debug`, the old keys."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ProjectFolder, Result

from hygge import __version__

NUMBERS = """\
description: Numbers
home: data/home/numbers
store: data/store/numbers
"""


def typed(folder: Path, program: str, *args: str) -> Result:
    """Type *program*, `hygge` or `doit`, in *folder*."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "PYTHONPATH")}
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *args],
        cwd=folder,
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    """A project with the flows `flights`, `numbers` and `landing`, which has two entities."""
    project.months(2)
    project.parquet("data/home/numbers/even.parquet")
    project.flow("numbers", NUMBERS)
    for name in ("users", "orders"):
        project.write(f"data/home/landing/{name}.csv", "id\n1\n")
    project.flow(
        "landing", "home: data/home/landing\nstore: data/store/landing\nentities: [users, orders]\n"
    )
    return project


def moved_in(result: Result) -> list[str]:
    """Return the tasks that were moved."""
    return re.findall(r"^(\S+)  moved ", result.out, re.MULTILINE)


# The command itself


def test_version_is_told(tmp_path: Path) -> None:
    assert typed(tmp_path, "hygge", "--version").out == f"hygge {__version__}\n"


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_names_every_command_anywhere(tmp_path: Path, word: str) -> None:
    result = typed(tmp_path, "hygge", word)

    assert (result.code, result.err) == (0, "")
    for command in ("go", "init", "debug", "plan", "run", "list"):
        assert re.search(rf"^  hygge {command} ", result.out, re.MULTILINE)


def test_help_of_a_command_names_its_options_anywhere(tmp_path: Path) -> None:
    result = typed(tmp_path, "hygge", "help", "go")

    assert (result.code, result.err) == (0, "")
    assert "--full-drop" in result.out


def test_empty_word_is_refused(shop: ProjectFolder) -> None:
    # doit ends with a traceback.
    result = typed(shop.root, "hygge", "")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: an empty word names nothing\n  try: leave it out, or name a flow\n"
    )


def test_current_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    hygge = Path(sys.executable).with_name("hygge")
    done = subprocess.run(
        ["bash", "-c", f"rmdir {gone}; {hygge} list"], cwd=gone, capture_output=True, text=True
    )

    assert done.returncode == 3
    assert done.stderr == (
        "error: the current folder is gone\n  try: go to a folder that is there: cd\n"
    )


EVERYWHERE = [
    (("list",), "numbers"),
    (("info", "numbers:even"), "up to date"),
    (("plan",), "Nothing to move"),
    (("go", "--dry-run"), "Nothing to move"),
    (("debug",), "ok "),
    (("ignore", "numbers:even"), "ignoring"),
    (("forget", "numbers:even"), "forgetting"),
    (("reset-dep", "numbers"), "processed"),
    (("dumpdb",), "numbers:even"),
    (("clean", "--dry-run", "numbers"), "removing file"),
    (("data/store/numbers/even.parquet",), "Nothing to move"),
    (("run", "numbers"), "Nothing to move"),
    (("schema", "project"), "flows_dir"),
    (("help", "numbers"), "numbers"),
]


def test_every_command_works_below_a_project_without_a_dodo_py(shop: ProjectFolder) -> None:
    (shop.root / "dodo.py").unlink()
    shop.write("hygge.yml", "defaults: {}\n")
    assert typed(shop.root / "data/home", "hygge").moved == 5
    for args, said in EVERYWHERE:
        result = typed(shop.root / "data/home", "hygge", *args)

        assert (args, result.code, result.err) == (args, 0, "")
        assert said in result.out, args


# go


@pytest.mark.parametrize("program", ["hygge", "doit"])
def test_go_brings_everything_up_to_date(shop: ProjectFolder, program: str) -> None:
    first, second = typed(shop.root, program, "go"), typed(shop.root, program, "go")

    assert (first.code, first.moved, first.err) == (0, 5, "")
    assert (second.code, second.moved, second.counts["unchanged"]) == (0, 0, 5)


SELECTIONS = {
    "a flow": (("--flow", "numbers"), ["numbers:even"]),
    "two, with a comma": (
        ("--flow", "numbers, flights"),
        ["flights:2013-01", "flights:2013-02", "numbers:even"],
    ),
    "two options": (
        ("--flow=numbers", "--flow=landing"),
        ["landing.orders:orders", "landing.users:users", "numbers:even"],
    ),
    "an entity": (("--entity", "landing.users"), ["landing.users:users"]),
    "entities": (
        ("--entity", "landing.users,landing.orders"),
        ["landing.orders:orders", "landing.users:users"],
    ),
    "a flow and an entity": (
        ("--flow", "numbers", "--entity", "landing.users"),
        ["landing.users:users", "numbers:even"],
    ),
}


@pytest.mark.parametrize(("args", "tasks"), SELECTIONS.values(), ids=SELECTIONS.keys())
def test_go_moves_what_is_named_alone(
    shop: ProjectFolder, args: tuple[str, ...], tasks: list[str]
) -> None:
    planned, ran = shop.doit("go", *args, "--dry-run", "--var=flow.numbers.description=x"), None
    assert planned.code == 0
    assert not (shop.root / ".doit.db").exists()
    ran = shop.doit("go", *args)

    assert (ran.code, ran.err) == (0, "")
    assert sorted(moved_in(ran)) == tasks
    assert f"{len(tasks)} to move" in planned.out


def test_go_moves_what_comes_before_a_flow_too(shop: ProjectFolder) -> None:
    shop.flow("second", "home: data/store/numbers\nstore: data/store/second\n")
    result = shop.doit("go", "--flow", "second")

    assert moved_in(result) == ["numbers:even", "second:even"]


def test_incremental_is_what_a_run_does_anyway(shop: ProjectFolder) -> None:
    shop.doit("go", "--incremental")

    assert shop.doit("go", "--incremental").moved == 0


def test_full_drop_moves_everything_that_is_named(shop: ProjectFolder) -> None:
    shop.doit("go")
    planned = shop.doit("go", "--full-drop", "--flow", "flights", "--dry-run")
    ran = shop.doit("go", "--full-drop", "--flow", "flights")

    assert planned.out.count("forced") == 2
    assert moved_in(ran) == ["flights:2013-01", "flights:2013-02"]
    assert "(forced)" in ran.out


def test_concurrency_is_how_many_are_moved_at_a_time(shop: ProjectFolder) -> None:
    # Each of the two waits until the other one has begun.
    shop.write(
        "wait.py",
        """\
        import time
        from pathlib import Path

        def both(rows, partition):
            Path(f"begun.{partition.key}").touch()
            until = time.monotonic() + 20
            while len(list(Path().glob("begun.*"))) < 2:
                assert time.monotonic() < until, "alone"
                time.sleep(0.01)
            return rows
        """,
    )
    shop.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\ntransform: {python: wait.py:both}\n",
    )
    result = shop.doit("go", "--flow", "flights", "--concurrency", "2")

    assert (result.code, result.moved) == (0, 2)


def test_verbose_shows_the_traceback_of_what_was_not_foreseen(shop: ProjectFolder) -> None:
    project_file = shop.root / "dodo.py"
    project_file.write_text(
        project_file.read_text()
        + "import hygge.run\n\ndef broken(*args):\n    raise ZeroDivisionError('surprise')\n\n"
        + "hygge.run.Run.move = broken\n"
    )
    short = shop.doit("go", "--flow", "numbers")
    long = shop.doit("go", "--flow", "numbers", "--verbose")

    assert "Traceback" not in short.out + short.err
    assert "Traceback" in long.out + long.err


NO_FLOW = {
    "near": (
        ("--flow", "numbrs"),
        "error: no flow 'numbrs'\n  try: did you mean 'numbers'?\n",
    ),
    "far": (
        ("--flow", "x"),
        "error: no flow 'x'\n  try: one of 'flights', 'landing', 'numbers'\n",
    ),
    "entity as a flow": (
        ("--flow", "landing.users"),
        "error: no flow 'landing.users'\n"
        "  at --flow landing.users\n"
        "  try: that is an entity: --entity landing.users\n",
    ),
    "partition": (
        ("--flow", "numbers:even"),
        "error: no flow 'numbers:even'\n"
        "  at --flow numbers:even\n"
        "  try: by name without go: doit 'numbers:even'\n",
    ),
    "flow as an entity": (
        ("--entity", "landing"),
        "error: no entity 'landing'\n  at --entity landing\n  try: --entity FLOW.ENTITY\n",
    ),
    "unknown entity": (
        ("--entity", "landing.user"),
        "error: no task 'landing.user'\n  try: did you mean 'landing.users'?\n",
    ),
    "nothing": (
        ("--flow", ","),
        "error: --flow names nothing\n  try: leave it out to move everything\n",
    ),
    "no option": (
        ("numbers",),
        "error: 'numbers' stands alone\n"
        "  at go numbers\n"
        "  try: doit go --flow numbers, or doit numbers\n",
    ),
    "a variable of doit's": (
        ("x=1",),
        "error: 'x=1' stands alone\n  at go x=1\n  try: doit go --flow x=1, or doit x=1\n",
    ),
    "opposites": (
        ("--incremental", "--full-drop"),
        "error: --incremental and --full-drop are opposites\n"
        "  try: leave one of them out; without both a run is incremental\n",
    ),
    "less than nothing": (
        ("--concurrency", "-1"),
        "error: less than nothing at a time\n  at --concurrency -1\n  try: --concurrency 4\n",
    ),
}


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["run", "plan"])
@pytest.mark.parametrize(("args", "message"), NO_FLOW.values(), ids=NO_FLOW.keys())
def test_what_go_can_not_mean_is_refused(
    shop: ProjectFolder, args: tuple[str, ...], more: tuple[str, ...], message: str
) -> None:
    result = shop.doit("go", *more, *args)

    assert (result.code, result.out, result.err) == (3, "", message)
    assert not (shop.root / "data/store").exists()


def test_task_of_ones_own_is_no_flow(shop: ProjectFolder) -> None:
    shop.write(
        "dodo.py",
        "from hygge.tasks import DOIT_CONFIG, task_hygge\n"
        "def task_mine():\n    return {'actions': ['touch done']}\n",
    )
    result = shop.doit("go", "--flow", "mine")

    assert (result.code, (shop.root / "done").exists()) == (3, False)
    assert result.err.startswith("error: no flow 'mine'\n")


def test_options_of_doit_stay_where_they_are_typed(shop: ProjectFolder) -> None:
    (shop.root / "dodo.py").rename(shop.root / "other.py")
    ran = [
        shop.doit("go", "-f", "other.py", "--flow", "numbers"),
        shop.doit("-f", "other.py", "go", "--flow", "flights"),
    ]

    assert [each.moved for each in ran] == [1, 2]


# --var


@pytest.mark.parametrize("program", ["hygge", "doit"])
@pytest.mark.parametrize(
    "var",
    [
        ("--var", "flow.numbers.store.compression=snappy"),
        ("--var=flow.numbers.store.compression=snappy",),
        ("--var", "flow.numbers.store={compression: snappy}"),
    ],
)
def test_value_of_a_flow_is_another_one_for_this_invocation(
    shop: ProjectFolder, program: str, var: tuple[str, ...]
) -> None:
    shop.doit("numbers")
    planned = typed(shop.root, program, "go", *var, "--dry-run", "--flow", "numbers")
    ran = typed(shop.root, program, "go", *var, "--flow", "numbers")
    again = typed(shop.root, program, "go", "--flow", "numbers", *var)
    without = shop.doit("plan", "numbers")

    reason = "config changed: store.compression: (not set) -> 'snappy'"
    assert reason in planned.out
    assert f"({reason})" in ran.out
    assert (ran.moved, again.moved) == (1, 0)
    assert "config changed: store.compression: 'snappy' -> (not set)" in without.out


def test_values_are_typed_as_in_yaml(shop: ProjectFolder) -> None:
    shop.write("data/home/landing/users.csv", "id;n\n1;-\n")
    options = (
        "--var=flow.landing.home.options.separator=;",
        "--var=flow.landing.home.options.null_values=['-']",
        "--var=flow.landing.checks=[{rows: {max: 1}}]",
        "--var=flow.landing.description=",
    )
    wrong = shop.doit("go", "--entity", "landing.users", *options)
    ran = shop.doit("go", "--entity", "landing.users", *options[:3])

    assert wrong.err == (
        "error: 'description' must be text, not null\n"
        "  at --var flow.landing.description=\n"
        "                                   ^\n"
        "  try: write text. What the flow is for, in one line; shown by 'doit list'.\n"
    )
    assert (ran.code, ran.moved) == (0, 1)


def test_of_two_values_for_one_key_the_later_one_counts(shop: ProjectFolder) -> None:
    key = "flow.numbers.store.compression"
    result = shop.doit(
        "go", "--flow", "numbers", "--var", f"{key}=lz4", "--var", f"{key}=snappy", "--dry-run"
    )
    shop.doit("go", "--flow", "numbers", "--var", f"{key}=lz4", "--var", f"{key}=snappy")

    assert (result.code, result.err) == (0, "")
    assert "'snappy' -> (not set)" in shop.doit("plan", "numbers").out


WRONG_VALUES = {
    "unknown key": (
        "flow.numbers.store.compresion=zstd",
        "error: unknown key 'compresion' in store\n"
        "  at --var flow.numbers.store.compresion=zstd\n"
        "                              ^\n"
        "  try: did you mean 'compression'?\n",
    ),
    "unknown key above": (
        "flow.numbers.stor.compression=zstd",
        "error: unknown key 'stor' in flow\n"
        "  at --var flow.numbers.stor.compression=zstd\n"
        "                        ^\n"
        "  try: did you mean 'store'?\n",
    ),
    "wrong value": (
        "flow.numbers.store.compression=zst",
        "error: 'store.compression' can't be 'zst'\n"
        "  at --var flow.numbers.store.compression=zst\n"
        "                                          ^\n"
        "  try: did you mean 'zstd'?\n",
    ),
    "wrong key in the value": (
        "flow.numbers.store={compresion: zstd}",
        "error: unknown key 'compresion' in store\n"
        "  at --var flow.numbers.store={compresion: zstd}\n"
        "                               ^\n"
        "  try: did you mean 'compression'?\n",
    ),
    "unknown flow": (
        "flow.numbrs.store.compression=zstd",
        "error: no flow 'numbrs'\n"
        "  at --var flow.numbrs.store.compression=zstd\n"
        "  try: did you mean 'numbers'?\n",
    ),
    "no flow": (
        "numbers.store.compression=zstd",
        "error: 'numbers.store.compression=zstd' sets no value of a flow\n"
        "  at --var numbers.store.compression=zstd\n"
        "  try: --var flow.NAME.store.compression=zstd\n",
    ),
    "no key": (
        "flow.numbers=zstd",
        "error: 'flow.numbers=zstd' sets no value of a flow\n"
        "  at --var flow.numbers=zstd\n"
        "  try: --var flow.NAME.store.compression=zstd\n",
    ),
    "an empty key": (
        "flow.numbers.store.=zstd",
        "error: 'flow.numbers.store.=zstd' sets no value of a flow\n"
        "  at --var flow.numbers.store.=zstd\n"
        "  try: --var flow.NAME.store.compression=zstd\n",
    ),
    "no value": (
        "flow.numbers.store.compression",
        "error: 'flow.numbers.store.compression' sets no value of a flow\n"
        "  at --var flow.numbers.store.compression\n"
        "  try: --var flow.NAME.store.compression=zstd\n",
    ),
    "no YAML": (
        "flow.numbers.store={compression",
        "error: not YAML: did not find expected ',' or '}'\n"
        "  at --var flow.numbers.store={compression\n"
        "  try: quote the value\n",
    ),
    "below a text": (
        "flow.numbers.store.path.x=zstd",
        "error: 'store.path' must be text, not a mapping\n"
        "  at --var flow.numbers.store.path.x=zstd\n"
        "                              ^\n"
        "  try: write text. The folder where the data settles; it belongs to this flow alone. "
        "Relative paths start at the project's root.\n",
    ),
}


@pytest.mark.parametrize(("var", "message"), WRONG_VALUES.values(), ids=WRONG_VALUES.keys())
def test_wrong_value_is_shown_where_it_was_typed(
    shop: ProjectFolder, var: str, message: str
) -> None:
    result = shop.doit("go", "--flow", "numbers", "--var", var)

    assert (result.code, result.out, result.err) == (3, "", message)
    assert not (shop.root / "data/store").exists()


def test_mistake_in_the_file_is_still_shown_in_the_file(shop: ProjectFolder) -> None:
    shop.flow("numbers", "home: data/home/numbers\nstore: {path: s, compresion: zstd}\n")
    result = shop.doit("go", "--flow", "numbers", "--var", "flow.numbers.store.on_removed=keep")

    assert result.err == (
        "error: unknown key 'compresion' in store\n"
        "  at flows/numbers.yml:2:18  store: {path: s, compresion: zstd}\n"
        "                                              ^\n"
        "  try: did you mean 'compression'?\n"
    )


# debug


def test_debug_finds_nothing_wrong_in_a_project_that_works(shop: ProjectFolder) -> None:
    before, again = shop.doit("debug"), None
    assert not (shop.root / ".doit.db").exists()
    assert not (shop.root / ".hygge").exists()
    shop.doit()
    again = shop.doit("debug")

    assert (before.code, before.err, again.code, again.err) == (0, "", 0, "")
    assert "ok     state           no '.doit.db' yet: nothing has been moved\n" in before.out
    assert again.out.startswith(
        "ok     project         4 flows in 'flows', dodo.py\n"
        "ok     flights         2 partitions in 'data/home/flights', 'data/store/flights' can be "
        "written\n"
    )
    assert "ok     state           '.doit.db' remembers 5 partitions\n" in again.out
    assert "ok     runs            no run is going on\n" in again.out
    assert f"hygge {__version__}, Python " in again.out


def test_debug_of_an_empty_project_finds_nothing_wrong(project: ProjectFolder) -> None:
    result = project.doit("debug")

    assert (result.code, result.err) == (0, "")
    assert "no flows in 'flows', dodo.py\n" in result.out


def test_debug_tells_of_each_flow_that_can_not_be_used(shop: ProjectFolder) -> None:
    shop.flow("bad", "home: x\nstor: y\n")
    shop.flow("missing", "home: {type: csv, path: data/none}\nstore: data/store/missing\n")
    (shop.root / "data/home/numbers/odd.parquet").symlink_to("nowhere")
    shop.write("data/store/landing", "in the way")
    result = shop.doit("debug")
    wrong = [line for line in result.out.split("\n") if line.startswith("wrong")]

    assert result.code == 1
    assert wrong == [
        "wrong  bad             unknown key 'stor' in flow",
        "wrong  landing.users   'data/store/landing/users' can't be made: 'landing' is no folder",
        "wrong  landing.orders  'data/store/landing/orders' can't be made: 'landing' is no folder",
        "wrong  missing         no folder 'data/none'",
        "wrong  numbers         'data/home/numbers/odd.parquet' can't be read",
    ]
    assert result.err.startswith("error: unknown key 'stor' in flow\n  at flows/bad.yml:2:1")
    assert result.err.count("  try: ") == 5


def test_debug_answers_programs(shop: ProjectFolder) -> None:
    shop.flow("bad", "home: x\nstor: y\n")
    result = shop.doit("debug", "--json", "bad", "numbers")
    answer = json.loads(result.out)

    assert (result.code, result.err) == (1, "")
    assert (answer["command"], answer["status"]) == ("debug", "failed")
    assert answer["data"]["findings"][1] == {
        "subject": "bad",
        "status": "wrong",
        "text": "unknown key 'stor' in flow",
    }
    assert [each["file"] for each in answer["diagnostics"]] == ["flows/bad.yml"]


def test_debug_says_that_a_flow_is_not_there(shop: ProjectFolder) -> None:
    result = shop.doit("debug", "numbrs")

    assert result.code == 1
    assert result.err == "error: no flow 'numbrs'\n  try: did you mean 'numbers'?\n"


def test_debug_tells_of_settings_that_can_not_be_read(shop: ProjectFolder) -> None:
    shop.write("hygge.yml", "connections: {}\n")
    result = shop.doit("debug")

    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "error: unknown key 'connections' in project\n"
        "  at hygge.yml:1:1  connections: {}\n"
        "                    ^\n"
        "  try: leave it out: there are no connections yet, homes and stores are files\n"
    )


def damage(file: Path) -> None:
    file.write_bytes(b"nothing that hygge wrote" * 100)


def renumber(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (damage, "'.doit.db' can't be read: file is not a database"),
        (renumber, "'.doit.db' was written by another version of hygge"),
    ],
)
def test_debug_tells_of_a_state_that_is_no_use(
    shop: ProjectFolder, spoil: object, what: str
) -> None:
    shop.doit()
    assert callable(spoil)
    spoil(shop.root / ".doit.db")
    before = (shop.root / ".doit.db").read_bytes()
    result = shop.doit("debug")

    assert result.code == 1
    assert f"wrong  state           {what}\n" in result.out
    assert (
        f"error: {what}\n"
        "  at .doit.db\n"
        "  try: leave it: the next run moves it aside, and compares what is in the stores\n"
    ) in result.err
    assert (shop.root / ".doit.db").read_bytes() == before


def test_debug_tells_who_holds_the_project_until_it_lets_go(shop: ProjectFolder) -> None:
    shop.write(
        "dodo.py",
        "from hygge.tasks import DOIT_CONFIG, task_hygge\n"
        "def task_wait():\n    return {'actions': ['touch begun; sleep 60']}\n",
    )
    run = shop.start("wait")
    until = time.monotonic() + 30
    while not (shop.root / "begun").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    during = shop.doit("debug", "numbers")
    os.killpg(run.pid, 9)
    run.communicate()
    after = shop.doit("debug", "numbers")

    assert (during.code, during.err, after.code, after.err) == (0, "", 0, "")
    assert f"the project is held by process {run.pid}, since " in during.out
    assert "ok     runs         no run is going on\n" in after.out


def test_debug_outside_a_project_says_where_it_looked(tmp_path: Path) -> None:
    result = typed(tmp_path, "hygge", "debug")

    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"error: no project here\n  at {tmp_path}: no dodo.py")


# Keys of other tools


INSTEAD = {
    "run_type": "leave it out: a run is incremental; to move everything once: doit go --full-drop",
    "key_column": "leave it out: a partition is compared as a whole; to see to it that a key is "
    "there once: checks: [{unique: [KEY]}]",
    "watermark": "leave it out: content decides what is moved, so that corrections of old rows "
    "are moved too",
    "journal": "leave it out: what was moved is remembered in .doit.db, what runs did in "
    ".hygge/runs",
}
OPTIONS = {
    "flow": "write what is for reading under 'home', what is for writing under 'store', and how "
    "to run on the command line: doit go --concurrency 4",
    "home": "leave it out: only csv and ndjson files have options for reading",
    "store": "leave it out: for arrow files there is 'compression', directly under 'store'",
}
TEXTS = {
    "flow": "home: data/home/numbers\nstore: data/store/numbers\n{key}: x\n",
    "home": "home: {{path: data/home/numbers, {key}: x}}\nstore: data/store/numbers\n",
    "store": "home: data/home/numbers\nstore: {{type: arrow, path: data/store, {key}: x}}\n",
}


@pytest.mark.parametrize("where", TEXTS)
@pytest.mark.parametrize("key", [*INSTEAD, "options"])
def test_key_of_another_tool_is_answered_with_what_to_write_instead(
    shop: ProjectFolder, key: str, where: str
) -> None:
    shop.flow("numbers", TEXTS[where].format(key=key))
    result = shop.doit("go", "--flow", "numbers")

    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"error: unknown key '{key}' in {where}\n  at flows/numbers.yml:")
    assert result.err.endswith(f"\n  try: {INSTEAD.get(key) or OPTIONS[where]}\n")


@pytest.mark.parametrize("value", ["incremental", "full_drop"])
def test_run_type_is_refused_whatever_it_is(shop: ProjectFolder, value: str) -> None:
    shop.flow("numbers", f"{NUMBERS}run_type: {value}\n")
    result = shop.doit()

    assert result.code == 3
    assert result.err.endswith(f"\n  try: {INSTEAD['run_type']}\n")


def test_key_of_another_tool_in_an_entity_is_answered_too(shop: ProjectFolder) -> None:
    shop.flow(
        "landing",
        """\
        home: data/home/landing
        store: data/store/landing
        entities:
          users: {watermark: updated_at}
        """,
    )
    result = shop.doit("go", "--flow", "landing")

    assert result.code == 3
    assert "  at flows/landing.yml:4:11  users: {watermark: updated_at}\n" in result.err
    assert result.err.endswith(f"\n  try: {INSTEAD['watermark']}\n")
