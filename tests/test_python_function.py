"""A Python function shapes rows; its own source and that of its neighbours make it what it is."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hygge.document import parse
from hygge.errors import ConfigError, HyggeError, TransformError
from hygge.fingerprint import content_hash
from hygge.flow import Section
from hygge.partition import Partition, Source
from hygge.transform import Context, Transform
from tests.conftest import ProjectFolder

RUN = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)

PARTITION = Partition("2013-01", "2013-01", (Source("data/home/x.csv", None),))

ROWS = pl.LazyFrame({"delay": [3, 30]})

AIRPORTS = pl.LazyFrame({"faa": ["EWR"]})

SECOND = "flows/late.py:2 in mark: "


def transform(
    project: ProjectFolder,
    function: str = "flows/late.py:mark",
    inputs: Collection[str] = ("airports",),
    **more: Any,
) -> Transform:
    document = parse(f"transform:\n  python: {function}\n", "flows/a.yml")
    values = {**document.values["transform"], **more}
    return Transform.create(Section("transform", values, document), inputs, project.root)


def plan(made: Transform) -> pl.LazyFrame:
    return made.apply(ROWS, Context(PARTITION, {"airports": AIRPORTS}, RUN))


def applied(project: ProjectFolder, source: str, **more: Any) -> dict[str, list[Any]]:
    """Return the columns that the function `mark` with this *source* returns."""
    project.write("flows/late.py", source)
    return plan(transform(project, **more)).collect().to_dict(as_series=False)


def refusal(cls: type[HyggeError], project: ProjectFolder, source: str, **more: Any) -> str:
    """Return the whole message of the *cls* with which *source* is refused."""
    with pytest.raises(cls) as error:
        applied(project, source, **more)
    assert type(error.value) is cls
    return str(error.value)


IN_YAML = f"\n  at flows/a.yml:2:11  python: flows/late.py:mark\n{' ' * 31}^"


# What it gets


def test_function_gets_the_rows(project: ProjectFolder) -> None:
    source = """
        import polars as pl

        def mark(rows):
            return rows.with_columns(late=pl.col("delay") > 15)
        """

    assert applied(project, source) == {"delay": [3, 30], "late": [False, True]}


def test_function_gets_what_it_declares(project: ProjectFolder) -> None:
    source = """
        import polars as pl

        def mark(rows, params, *, partition, airports, other=7):
            first = airports.collect()["faa"][0]
            return rows.select(all=pl.lit(f"{partition.key} {params} {first} {other}"))
        """

    result = applied(project, source, params={"limit": 15})

    assert result == {"all": ["2013-01 {'limit': 15} EWR 7"]}


def test_function_with_keywords_gets_all_inputs_and_nothing_else(project: ProjectFolder) -> None:
    source = """
        import polars as pl

        def mark(rows, **inputs):
            return rows.select(all=pl.lit(str(sorted(inputs))))
        """

    assert applied(project, source) == {"all": ["['airports']"]}


def test_function_can_not_change_the_params_of_the_next_partition(project: ProjectFolder) -> None:
    source = """
        import polars as pl

        def mark(rows, params):
            params["seen"].append(1)
            return rows.select(n=pl.lit(len(params["seen"])))
        """
    project.write("flows/late.py", source)
    made = transform(project, params={"seen": []})

    assert plan(made).collect().item() == plan(made).collect().item() == 1


def test_function_never_sees_the_columns_that_trace_rows(project: ProjectFolder) -> None:
    project.write("flows/late.py", "def mark(rows):\n    return rows.select('*')\n")
    made = transform(project)
    traced = ROWS.with_columns(__hygge_file=pl.lit(0), __hygge_row=pl.lit(1))

    result = made.apply(traced, Context(PARTITION, {}, RUN))

    assert not made.traces
    assert result.collect_schema().names() == ["delay"]


@pytest.mark.parametrize(
    "source",
    [
        "import functools\nmark = functools.partial(lambda rows, n: rows.head(n), n=1)\n",
        "def first(rows):\n    return rows.head(1)\n\nmark = first\n",
        "class Mark:\n    def __call__(self, rows):\n        return rows.head(1)\nmark = Mark()\n",
        "from common import mark\n",
        "from common import *\n",
        "try:\n    import nothing_of_this_name\nexcept ImportError:\n    from common import mark\n",
        "import functools\n\ndef twice(f):\n    @functools.wraps(f)\n    def g(rows):\n"
        "        return f(f(rows))\n    return g\n\n@twice\ndef mark(rows):\n"
        "    return rows.head(1)\n",
    ],
)
def test_function_may_be_defined_in_any_way(project: ProjectFolder, source: str) -> None:
    project.write("flows/common.py", "def mark(rows):\n    return rows.head(1)\n")

    assert applied(project, source) == {"delay": [3]}


# Modules beside it


def test_function_may_import_a_module_beside_it(project: ProjectFolder) -> None:
    project.write("flows/common.py", "LIMIT = 15\n")
    source = """
        import polars as pl
        import common

        def mark(rows):
            return rows.select(limit=pl.lit(common.LIMIT))
        """

    assert applied(project, source) == {"limit": [15]}


@pytest.mark.parametrize(
    "statement",
    [
        "from parts.deep.limits import LIMIT",
        "from parts.deep import limits; LIMIT = limits.LIMIT",
        "import parts.deep.limits; LIMIT = parts.deep.limits.LIMIT",
        "import parts.deep.limits as short; LIMIT = short.LIMIT",
        "from parts import LIMIT",
        "from parts import *",
        "from .parts import LIMIT",
        "from . import parts; LIMIT = parts.LIMIT",
        "from plain.limits import LIMIT",
        "import plain.limits; LIMIT = plain.limits.LIMIT",
    ],
)
def test_function_may_import_from_packages_beside_it(
    project: ProjectFolder, statement: str
) -> None:
    project.write("flows/parts/__init__.py", "from .deep.limits import LIMIT\n")
    project.write("flows/parts/deep/__init__.py", "")
    project.write("flows/parts/deep/limits.py", "from ...base import LIMIT\n")
    project.write("flows/plain/limits.py", "import base\nLIMIT = base.LIMIT\n")
    project.write("flows/base.py", "LIMIT = 15\n")
    source = f"""
        import polars as pl

        def mark(rows):
            {statement.replace(" import *", " import LIMIT")}
            return rows.select(limit=pl.lit(LIMIT))
        """

    assert applied(project, source) == {"limit": [15]}
    assert applied(project, source.replace("def mark", f"{statement}\n        def mark")) == {
        "limit": [15]
    }


def test_module_may_be_imported_when_the_plan_is_executed(project: ProjectFolder) -> None:
    project.write("flows/common.py", "LIMIT = 15\n")
    source = """
        def mark(rows):
            return rows.map_batches(late)

        def late(batch):
            import common
            return batch.filter(batch["delay"] > common.LIMIT)
        """

    assert applied(project, source) == {"delay": [30]}


def test_modules_may_import_each_other(project: ProjectFolder) -> None:
    project.write("flows/one.py", "import two\nA = 1\n\ndef f():\n    return two.B\n")
    project.write("flows/two.py", "import one\nB = 2\n\ndef g():\n    return one.A\n")
    source = """
        import polars as pl
        import one, two

        def mark(rows):
            return rows.select(a=pl.lit(two.g()), b=pl.lit(one.f()))
        """

    assert applied(project, source) == {"a": [1], "b": [2]}


def test_two_functions_have_different_neighbours_of_one_name(project: ProjectFolder) -> None:
    source = "import polars as pl\nimport common\n\ndef mark(rows):\n    import common as again\n"
    source += "    return rows.select(k=pl.lit(common.K + again.K))\n"
    for name in ("one", "two"):
        project.write(f"flows/{name}/late.py", source)
        project.write(f"flows/{name}/common.py", f"K = '{name}'\n")
    one = transform(project, "flows/one/late.py:mark")
    two = transform(project, "flows/two/late.py:mark")

    results = [plan(each).collect().item() for each in (one, two, one)]

    assert results == ["oneone", "twotwo", "oneone"]


def test_functions_in_many_threads_keep_to_their_neighbours(project: ProjectFolder) -> None:
    source = "import time\nimport polars as pl\n\ndef mark(rows):\n    import common\n"
    source += "    time.sleep(0.002)\n    from common import K\n"
    source += "    return rows.select(k=pl.lit(common.K + K))\n"
    made = {}
    for name in "abcd":
        project.write(f"flows/{name}/late.py", source)
        project.write(f"flows/{name}/common.py", f"import time\ntime.sleep(0.01)\nK = '{name}'\n")
        made[name] = transform(project, f"flows/{name}/late.py:mark")
    found: list[tuple[str, str]] = []

    def move(name: str) -> None:
        for _ in range(10):
            found.append((name, plan(made[name]).collect().item()))

    threads = [threading.Thread(target=move, args=(name,)) for name in "abcd" * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(found) == 80
    assert {(name, value) for name, value in found if value != name * 2} == set()


def test_nothing_of_it_is_left_in_the_interpreter(project: ProjectFolder) -> None:
    project.write("flows/common.py", "K = 1\n")
    source = "import common\n\ndef mark(rows):\n    return rows.head(common.K)\n"
    before = set(sys.modules), list(sys.path), list(sys.meta_path)

    applied(project, source)

    assert (set(sys.modules), list(sys.path), list(sys.meta_path)) == before


def test_nothing_is_written_beside_it(project: ProjectFolder) -> None:
    project.write("flows/common.py", "K = 1\n")

    applied(project, "import common\n\ndef mark(rows):\n    return rows.head(common.K)\n")

    assert sorted(each.name for each in (project.root / "flows").iterdir()) == [
        "common.py",
        "late.py",
    ]


def test_neighbour_hides_an_installed_module_from_the_function_alone(
    project: ProjectFolder,
) -> None:
    project.write("flows/statistics.py", "K = 5\n")
    source = """
        import polars as pl
        import statistics

        def mark(rows):
            return rows.select(k=pl.lit(statistics.K))
        """

    assert applied(project, source) == {"k": [5]}

    import statistics

    assert statistics.mean([1, 3]) == 2


def test_function_in_a_file_called_like_an_installed_module_may_import_that(
    project: ProjectFolder,
) -> None:
    source = "import calendar\nimport polars as pl\n\ndef mark(rows):\n"
    source += "    return rows.select(days=pl.lit(calendar.monthrange(2013, 2)[1]))\n"
    project.write("flows/calendar.py", source)

    assert plan(transform(project, "flows/calendar.py:mark")).collect().item() == 28


def test_folder_of_scripts_does_not_hide_an_installed_package(project: ProjectFolder) -> None:
    project.write("flows/polars/script.py", "")
    source = "import polars as pl\n\ndef mark(rows):\n    return rows.select(k=pl.lit(1))\n"

    assert applied(project, source) == {"k": [1]}


def test_dataclass_with_annotations_as_text_may_be_defined(project: ProjectFolder) -> None:
    source = """
        from __future__ import annotations
        import dataclasses, enum, typing
        import polars as pl

        @dataclasses.dataclass
        class Limit:
            many: typing.ClassVar[int] = 1
            value: dataclasses.InitVar[int] = 15

        class Kind(enum.Enum):
            LATE = "late"

        def mark(rows):
            @dataclasses.dataclass
            class Inner:
                many: typing.ClassVar[int] = 1
                value: int = 2
            return rows.select(k=pl.lit(Limit.many + Inner().value), s=pl.lit(Kind.LATE.value))
        """

    assert applied(project, source) == {"k": [3], "s": ["late"]}


# Its fingerprint


def source_of(project: ProjectFolder) -> dict[str, str]:
    return dict(transform(project).fingerprint()["source"])


def test_fingerprint_has_the_hash_of_every_module_it_consists_of(project: ProjectFolder) -> None:
    project.write("flows/late.py", "def mark(rows):\n    from pkg import deep\n    return rows\n")
    project.write("flows/pkg/__init__.py", "")
    project.write("flows/pkg/deep.py", "from . import deeper\nfrom ..common import K\nimport os\n")
    project.write("flows/pkg/deeper.py", "import late\n")
    project.write("flows/common.py", "K = 1\n")
    project.write("flows/other.py", "import common\n")
    project.write("flows/pkg/unused.py", "")

    expected = ["flows/common.py", "flows/late.py", "flows/pkg/__init__.py"]
    expected += ["flows/pkg/deep.py", "flows/pkg/deeper.py"]

    assert source_of(project) == {each: content_hash(project.root / each) for each in expected}


def test_fingerprint_changes_with_a_neighbour_that_is_imported(project: ProjectFolder) -> None:
    project.write("flows/late.py", "import common\n\ndef mark(rows):\n    return rows\n")
    project.write("flows/common.py", "K = 1\n")
    project.write("flows/other.py", "K = 1\n")
    before = source_of(project)

    project.write("flows/other.py", "K = 2\n")
    unchanged = source_of(project)
    project.write("flows/common.py", "K = 2\n")
    changed = source_of(project)

    assert before == unchanged != changed
    assert before["flows/late.py"] == changed["flows/late.py"]


def test_fingerprint_changes_when_a_module_that_is_imported_appears_beside_it(
    project: ProjectFolder,
) -> None:
    project.write("flows/late.py", "import statistics\n\ndef mark(rows):\n    return rows\n")
    before = source_of(project)

    project.write("flows/statistics.py", "K = 2\n")

    assert set(source_of(project)) - set(before) == {"flows/statistics.py"}


def test_fingerprint_has_the_params(project: ProjectFolder) -> None:
    project.write("flows/late.py", "def mark(rows, params):\n    return rows\n")

    assert transform(project, params={"limit": 15}).fingerprint() == {
        "python": "flows/late.py:mark",
        "params": {"limit": 15},
        "source": {"flows/late.py": content_hash(project.root / "flows/late.py")},
    }


def test_fingerprint_runs_nothing_and_loads_nothing_heavy(project: ProjectFolder) -> None:
    project.write("flows/late.py", "import polars, common\nexit(9)\ndef mark(rows):\n    pass\n")
    project.write("flows/common.py", "exit(9)\n")
    program = (
        "import sys, pathlib\n"
        "from hygge.flow import section_of\n"
        "from hygge.transform import Transform\n"
        "values = {'python': 'flows/late.py:mark', 'cast': {'a': 'bigint'}}\n"
        "made = Transform.create(section_of('transform', values), [], pathlib.Path(sys.argv[1]))\n"
        "print(len(made.fingerprint()['source']), 'polars' in sys.modules)"
    )

    found = subprocess.run(
        [sys.executable, "-c", program, project.root], capture_output=True, text=True, check=True
    )

    assert found.stdout == "2 False\n"


def test_changed_source_is_executed_although_its_size_and_times_are_the_same(
    project: ProjectFolder,
) -> None:
    source = "import polars as pl\nimport common\n\ndef mark(rows):\n"
    source += "    return rows.select(k=pl.lit(common.K))\n"
    results = []
    for value in (1, 2, 3):
        file = project.write("flows/common.py", f"K = {value}\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        results.append(applied(project, source)["k"][0])

    assert results == [1, 2, 3]


def test_what_is_executed_is_what_was_fingerprinted(project: ProjectFolder) -> None:
    source = "import polars as pl\nimport common\n\ndef mark(rows):\n"
    project.write("flows/late.py", source + "    return rows.select(k=pl.lit(common.K))\n")
    project.write("flows/common.py", "K = 1\n")
    made = transform(project)

    project.write("flows/common.py", "K = 2\n")

    assert plan(made).collect().item() == 1


# What it raises


def test_function_that_raises_is_shown_with_its_own_frames(project: ProjectFolder) -> None:
    source = "def mark(rows):\n    return 1 / 0\n"

    assert refusal(TransformError, project, source) == (
        "ZeroDivisionError: division by zero\n  at " + SECOND + "return 1 / 0"
    )


def test_neighbour_that_raises_is_shown_below_the_function(project: ProjectFolder) -> None:
    project.write("flows/common.py", "def half(rows):\n    raise KeyError('x')\n")
    source = "def mark(rows):\n    import common; return common.half(rows)\n"

    assert refusal(TransformError, project, source) == (
        "KeyError: 'x'\n"
        f"  at {SECOND}import common; return common.half(rows)\n"
        "     flows/common.py:2 in half: raise KeyError('x')"
    )


def test_frames_of_polars_are_not_shown(project: ProjectFolder) -> None:
    source = "def mark(rows):\n    return rows.select('dely').collect().lazy()\n"

    assert refusal(TransformError, project, source) == (
        'ColumnNotFoundError: unable to find column "dely"; valid columns: ["delay"]\n'
        f"  at {SECOND}return rows.select('dely').collect().lazy()"
    )


@pytest.mark.parametrize("statement", ["exit(3)", "raise SystemExit(3)"])
def test_function_can_not_end_the_run(project: ProjectFolder, statement: str) -> None:
    assert refusal(TransformError, project, f"def mark(rows):\n    {statement}\n") == (
        f"SystemExit: 3\n  at {SECOND}{statement}"
    )


def test_module_can_not_end_the_run(project: ProjectFolder) -> None:
    assert refusal(TransformError, project, "exit(3)\ndef mark(rows):\n    pass\n") == (
        "SystemExit: 3\n  at flows/late.py:1 in <module>: exit(3)"
    )


def test_interruption_passes(project: ProjectFolder) -> None:
    project.write("flows/late.py", "def mark(rows):\n    raise KeyboardInterrupt\n")

    with pytest.raises(KeyboardInterrupt):
        plan(transform(project))


def test_function_that_takes_no_rows_when_it_is_called_is_told_so(project: ProjectFolder) -> None:
    source = "mark = lambda: 1\n"

    assert refusal(TransformError, project, source) == (
        "TypeError: <lambda>() takes 0 positional arguments but 1 was given" + IN_YAML
    )


def raised_in_execution(project: ProjectFolder, body: str) -> str:
    """Return the message for a function of which polars calls a part, with this *body*."""
    source = f"def mark(rows):\n    return rows.map_batches(part)\n\ndef part(batch):\n    {body}\n"
    project.write("flows/late.py", source)
    made = transform(project)
    with pytest.raises(TransformError) as error, made.executing():
        plan(made).sink_batches(lambda _: None, engine="streaming")
    with pytest.raises(TransformError) as examined:
        made.examine(ROWS, Context(PARTITION, {}, RUN))
    assert str(error.value) == str(examined.value)
    return str(error.value)


def test_what_is_raised_while_the_plan_is_executed_is_shown_with_its_frames(
    project: ProjectFolder,
) -> None:
    assert raised_in_execution(project, "return batch / 'x' / 0 if 0 else [][1]") == (
        "IndexError: list index out of range\n"
        "  at flows/late.py:5 in part: return batch / 'x' / 0 if 0 else [][1]"
    )


def test_plan_that_ends_the_run_while_it_is_executed_is_an_error(project: ProjectFolder) -> None:
    assert raised_in_execution(project, "exit(3)") == (
        "SystemExit: 3\n  at flows/late.py:5 in part: exit(3)"
    )


def test_what_is_not_the_functions_fault_passes_while_the_plan_is_executed(
    project: ProjectFolder,
) -> None:
    project.write("flows/late.py", "def mark(rows):\n    return rows\n")

    with pytest.raises(RuntimeError, match=r"^mine$"), transform(project).executing():
        raise RuntimeError("mine")


# What it returns


@pytest.mark.parametrize(
    ("value", "returned", "hint"),
    [
        ("None", "NoneType", "return the changed LazyFrame"),
        ("rows.collect()", "DataFrame", "add .lazy()"),
        ("[rows]", "list", "return the changed LazyFrame"),
    ],
)
def test_function_that_returns_no_lazyframe_is_refused(
    project: ProjectFolder, value: str, returned: str, hint: str
) -> None:
    assert refusal(TransformError, project, f"def mark(rows):\n    return {value}\n") == (
        f"'mark' in flows/late.py returned {returned}, not a LazyFrame{IN_YAML}\n  try: {hint}"
    )


def test_function_that_returns_an_impossible_plan_is_refused(project: ProjectFolder) -> None:
    source = "def mark(rows):\n    return rows.select('dely')\n"

    assert refusal(TransformError, project, source) == (
        f"what 'mark' in flows/late.py returned fails: no column 'dely'{IN_YAML}\n"
        "  try: did you mean 'delay'?"
    )


# What is missing


def test_missing_file_is_refused_with_the_near_miss(project: ProjectFolder) -> None:
    project.write("flows/later.py", "def mark(rows):\n    return rows\n")

    with pytest.raises(ConfigError) as error:
        transform(project)

    assert str(error.value) == f"no file 'flows/late.py'{IN_YAML}\n  try: did you mean 'later.py'?"


def test_missing_file_with_nothing_like_it_is_refused(project: ProjectFolder) -> None:
    with pytest.raises(ConfigError) as error:
        transform(project)

    assert str(error.value) == (
        f"no file 'flows/late.py'{IN_YAML}\n  try: write it, or correct the path"
    )


def test_missing_function_is_refused_with_the_near_miss(project: ProjectFolder) -> None:
    assert refusal(ConfigError, project, "def marks(rows):\n    return rows\n") == (
        f"no function 'mark' in flows/late.py{IN_YAML}\n  try: did you mean 'marks'?"
    )


def test_missing_function_with_nothing_like_it_is_refused(project: ProjectFolder) -> None:
    assert refusal(ConfigError, project, "") == (
        f"no function 'mark' in flows/late.py{IN_YAML}\n  try: define it: def mark(rows): ..."
    )


def test_what_is_no_function_is_refused(project: ProjectFolder) -> None:
    assert refusal(TransformError, project, "mark = 5\n") == (
        f"'mark' in flows/late.py is no function{IN_YAML}"
    )


def test_async_function_is_refused(project: ProjectFolder) -> None:
    assert refusal(ConfigError, project, "async def mark(rows):\n    return rows\n") == (
        f"'mark' in flows/late.py is async{IN_YAML}\n  try: define it with 'def'"
    )


def test_function_without_arguments_is_refused(project: ProjectFolder) -> None:
    assert refusal(ConfigError, project, "def mark():\n    pass\n") == (
        f"'mark' in flows/late.py takes no rows{IN_YAML}\n"
        "  try: give it a first argument: def mark(rows): ..."
    )


@pytest.mark.parametrize("arguments", ["rows, airport", "rows, *, airport", "rows, airport, n=1"])
def test_argument_that_is_no_input_is_refused(project: ProjectFolder, arguments: str) -> None:
    assert refusal(ConfigError, project, f"def mark({arguments}):\n    return rows\n") == (
        f"'mark' in flows/late.py wants 'airport', which is no input{IN_YAML}\n"
        "  try: did you mean 'airports'?"
    )


def test_argument_like_no_input_is_refused(project: ProjectFolder) -> None:
    assert refusal(ConfigError, project, "def mark(rows, x):\n    return rows\n") == (
        f"'mark' in flows/late.py wants 'x', which is no input{IN_YAML}\n"
        "  try: it can have 'partition', 'params', 'airports'; others need a default"
    )


def test_argument_that_only_a_look_at_the_object_shows_is_refused(project: ProjectFolder) -> None:
    assert refusal(TransformError, project, "mark = lambda rows, x: rows\n") == (
        f"'mark' in flows/late.py wants 'x', which is no input{IN_YAML}\n"
        "  try: it can have 'partition', 'params', 'airports'; others need a default"
    )


def test_file_that_is_no_python_is_shown_at_its_line(project: ProjectFolder) -> None:
    assert refusal(ConfigError, project, "x = 1\ndef mark(rows:\n    return rows\n") == (
        "not Python: '(' was never closed\n"
        "  at flows/late.py:2:9  def mark(rows:\n"
        "                                ^"
    )


def test_neighbour_that_is_no_python_is_shown_at_its_line(project: ProjectFolder) -> None:
    project.write("flows/common.py", "K =\n")

    assert refusal(ConfigError, project, "import common\ndef mark(rows):\n    return rows\n") == (
        "not Python: invalid syntax\n  at flows/common.py:1:4  K =\n                             ^"
    )


def test_module_that_is_missing_is_shown_where_it_is_imported(project: ProjectFolder) -> None:
    assert refusal(TransformError, project, "import commn\ndef mark(rows):\n    return rows\n") == (
        "ModuleNotFoundError: No module named 'commn'\n"
        "  at flows/late.py:1 in <module>: import commn"
    )


def test_name_that_a_neighbour_lacks_is_shown_where_it_is_imported(project: ProjectFolder) -> None:
    project.write("flows/common.py", "K = 1\n")
    source = "from common import L\ndef mark(rows):\n    return rows\n"

    assert refusal(TransformError, project, source) == (
        "ImportError: cannot import name 'L' from 'common' (flows/common.py)\n"
        "  at flows/late.py:1 in <module>: from common import L"
    )


def test_module_that_failed_to_load_is_loaded_again(project: ProjectFolder, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    source = f"import os\nif not os.path.exists({str(flag)!r}):\n    raise OSError('no flag')\n"
    project.write("flows/late.py", source + "def mark(rows):\n    return rows\n")
    made = transform(project)

    with pytest.raises(TransformError, match="OSError: no flag"):
        plan(made)
    flag.touch()

    assert plan(made).collect()["delay"].to_list() == [3, 30]


def refused_function(project: ProjectFolder, function: str) -> str:
    with pytest.raises(ConfigError) as error:
        transform(project, function)
    return str(error.value)


@pytest.mark.parametrize("path", ["../late.py", "/late.py"])
def test_file_outside_the_project_is_refused(project: ProjectFolder, path: str) -> None:
    assert refused_function(project, f"{path}:mark") == (
        f"'{path}' lies outside the project\n"
        f"  at flows/a.yml:2:11  python: {path}:mark\n"
        f"{' ' * 31}^\n"
        "  try: move it inside"
    )


@pytest.mark.parametrize(("function", "wrong"), [("a.py:1x", "1x"), ("my-late.py:mark", "my-late")])
def test_name_that_python_does_not_take_is_refused(
    project: ProjectFolder, function: str, wrong: str
) -> None:
    assert refused_function(project, function) == (
        f"'{wrong}' is no name that Python takes\n"
        f"  at flows/a.yml:2:11  python: {function}\n{' ' * 31}^\n"
        "  try: rename it"
    )
