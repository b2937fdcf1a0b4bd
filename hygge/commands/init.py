"""This is where a new project is made that runs at once, and the workflow that runs it."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from doit.cmd_base import Command

from hygge import project as projects
from hygge import templates
from hygge.commands.telling import Entering, told
from hygge.commands.typed import words
from hygge.coordinator import Coordinator, Options
from hygge.errors import UsageError
from hygge.fingerprint import ContentHashes
from hygge.paths import located
from hygge.plan import FlowPlan
from hygge.prepared import QUARANTINE
from hygge.state import State
from hygge.tasks import command_names

MAY_BE_THERE = {".git"}
"""What a folder may hold that counts as empty."""


class Init(Entering, Command):  # type: ignore[misc]
    """Writes files; overwrites none unless it is told to, and says so."""

    name = "init"
    doc_purpose = "make a project that runs at once, or the workflow that runs it on GitHub"
    doc_usage = "[NAME] [options]"
    doc_description = None
    cmd_options = (
        {
            "name": "flows_dir",
            "long": "flows-dir",
            "type": str,
            "default": projects.FLOWS,
            "help": "the folder with the flows [default: %(default)s]",
        },
        {
            "name": "force",
            "long": "force",
            "type": bool,
            "default": False,
            "help": "also write into a folder that is not empty [default: %(default)s]",
        },
        {
            "name": "github",
            "long": "github",
            "type": bool,
            "default": False,
            "help": f"write {templates.WORKFLOW}; without NAME, for the project that is here",
        },
    )

    def parse_execute(self, in_args: list[str]) -> Any:
        """Also take a NAME with ``=``, and options that stand behind it."""
        typed = words("init", in_args)
        options = [each for each in typed if each.startswith("-")]
        return super().parse_execute(typed if "--" in options else _options_first(typed))

    def execute(self, params: Any, args: list[str]) -> int | None:
        """Write the files; return an exit code."""
        return told(functools.partial(self._init, params, args))

    def _init(self, params: Any, args: list[str]) -> int:
        if len(args) > 1:
            raise UsageError(f"'{args[1]}' is one name too many", hint=f"doit init {args[0]}")
        if not args and not params["github"]:
            hint = "doit init NAME; doit init . makes it in this folder"
            raise UsageError("the project has no name", hint=hint)
        if args:
            root = Path(args[0])
            flows_dir = _checked(params["flows_dir"])
            _check_free(root, params["force"])
            _write(root, templates.project(flows_dir))
        else:
            root = projects.find_root(Path.cwd())
            _check_unwritten(root / templates.WORKFLOW, params["force"])
        if params["github"]:
            _write(root, {templates.WORKFLOW: templates.workflow(_kept(root.resolve()))})
            _say(_notes(root.resolve()))
        if args:
            _say(_next(root, "hygge" if self.bin_name == "hygge" else "doit"))
        return 0


def _options_first(typed: list[str]) -> list[str]:
    """Return *typed* with the options before the names, which is where doit expects them."""
    options: list[str] = []
    names: list[str] = []
    rest = iter(typed)
    for each in rest:
        if not each.startswith("-"):
            names.append(each)
            continue
        options.append(each)
        if each.startswith("--fl") and "=" not in each:  # doit takes abbreviations too
            options += [value for value in [next(rest, None)] if value is not None]
    return [*options, "--", *names]


def _checked(flows_dir: str) -> str:
    """Return *flows_dir* as it is written into hygge.yml.

    Raises:
        UsageError: It is no folder below the project's root.
    """
    folder = os.path.normpath(flows_dir)
    if not flows_dir or folder == "." or os.path.isabs(folder) or folder.split(os.sep)[0] == "..":
        raise UsageError(
            f"'{flows_dir}' is no folder below the project's root",
            f"--flows-dir {flows_dir}",
            f"--flows-dir {projects.FLOWS}",
        )
    return folder


def _check_free(root: Path, force: bool) -> None:
    """Refuse a folder with things in it, unless that is meant.

    Raises:
        UsageError: Something is there.
    """
    if os.path.lexists(root) and not root.is_dir():
        raise UsageError(f"'{root}' is no folder", str(root), "give the project another name")
    there = sorted({each.name for each in root.iterdir()} - MAY_BE_THERE) if root.is_dir() else []
    if there and not force:
        some = ", ".join(f"'{each}'" for each in there[:3]) + (" and more" if there[3:] else "")
        hint = (
            "give another name; with --force the project's files are written beside what is there"
        )
        raise UsageError(f"'{root}' is not empty: {some}", hint=hint)


def _check_unwritten(file: Path, force: bool) -> None:
    """Refuse to write *file* again, unless that is meant.

    Raises:
        UsageError: It is there.
    """
    if os.path.lexists(file) and not force:
        what = f"'{templates.WORKFLOW}' is there already"
        raise UsageError(what, str(file), "to write it again: doit init --github --force")


def _write(root: Path, files: Mapping[str, str]) -> None:
    """Write *files* below *root*, and say of each what became of it.

    Raises:
        UsageError: One can't be written; those that were told of have been.
    """
    done = []
    try:
        for name, text in files.items():
            file = root / PurePosixPath(name)
            try:
                done.append(f"{_written(file, text):<11}  {name}")
            except OSError as error:
                what = f"'{name}' can't be written: {error.strerror}"
                raise UsageError(what, str(file), "see to it that you may write there") from error
    finally:
        # Told at the end: a reader that goes away must not leave half a project.
        _say(done)


def _written(file: Path, text: str) -> str:
    there = os.path.lexists(file)
    if there and file.read_bytes() == text.encode():
        return "unchanged"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return "overwritten" if there else "written"


def _kept(root: Path) -> list[str]:
    """Return the folders of the project at *root* that are to be kept from run to run.

    Raises:
        HyggeError: A flow is broken, so that its store is not known.
    """
    options = Options(reserved=command_names())
    state = State(str(root / ".doit.db"))
    found = []
    for each in Coordinator(projects.load(root), state, options, ContentHashes()).prepared():
        if isinstance(each, FlowPlan):
            if each.error is not None:
                raise each.error
        else:
            found.append(located(os.path.normpath(each.store.folder()), root))
    return [*sorted(found), QUARANTINE]


def _notes(root: Path) -> Iterator[str]:
    """Yield what has to be seen to before GitHub can run the workflow."""
    if not (root / "requirements.txt").is_file():
        yield "Name in requirements.txt where hygge is to be installed from: the workflow reads it."
    repository = next((each for each in root.parents if (each / ".git").exists()), None)
    if repository is not None and not (root / ".git").exists():
        within = root.relative_to(repository).as_posix()
        yield f"GitHub reads workflows at the root of the repository only, '{repository}':"
        yield f"move it there, with '{within}/' before its paths and as its working-directory."


def _next(root: Path, command: str) -> Iterator[str]:
    yield ""
    yield "Next:"
    if os.path.normpath(root) != ".":
        yield f"  cd {shlex.quote(str(root))}"
    yield f"  {command} plan"
    yield f"  {command}"


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
