"""This is where a project is found and its own settings are read."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from hygge import document, schema
from hygge.errors import ConfigError, UsageError, nearest
from hygge.partition import natural
from hygge.paths import located

SETTINGS = "hygge.yml"
"""The file with a project's own settings, from the root."""

MARKERS = ("dodo.py", SETTINGS)
"""Files whose folder is a project's root."""

FLOWS = "flows"
"""The folder with the flows, where hygge.yml names no other."""

FLOW_SUFFIXES = (".yml", ".yaml")

MOST_BYTES = 20_000_000
"""Size of a YAML file; a larger one is no configuration."""


@dataclass(frozen=True)
class Project:
    """A folder with flows."""

    root: Path
    """Absolute; every relative path in YAML starts here."""
    defaults: document.Document = field(default_factory=lambda: document.Document({}))
    """What hygge.yml says under ``defaults``; empty where there is none."""
    given: Mapping[str, document.Document] = field(default_factory=dict)
    """What flows without a file say, by name: those that were written in Python."""
    flows_dir: str = FLOWS
    """The folder with the flows, from the root or absolute."""
    durable: bool = False
    """Whether a run waits for the disk after each file that it puts into place."""
    copies: Path | None = None
    """Where what `copy` made is read instead of the files themselves; None where it is not."""

    @property
    def flows(self) -> Path:
        """The folder with the flows; absolute, need not be there."""
        return self.root / self.flows_dir

    @property
    def settings(self) -> Path:
        """The file that hygge.yml is read from; need not be there."""
        return (self.copies or self.root) / SETTINGS

    @property
    def _read_from(self) -> Path:
        return self.flows if self.copies is None else self.copies / FLOWS

    def flow_files(self) -> Iterator[tuple[str, Path]]:
        """Yield (name, file) of every flow, sorted by name; for a given one, what stands for it.

        Raises:
            ConfigError: Two files, or a file and what was given, define a flow of the same name;
                or a folder can't be listed, so that its flows would count as gone.
        """
        found = {name: Path(_file_of(given)) for name, given in self.given.items()}
        for file in sorted(self._candidates()):
            name = file.parent.name if file.stem == "flow" and self._nested(file) else file.stem
            if name in found:
                first, second = self.relative(found[name]), self.relative(file)
                raise ConfigError(
                    f"two flows are called '{name}'", f"{first} and {second}", "rename one of them"
                )
            found[name] = file
        yield from sorted(found.items())

    def written(self, name: str, file: Path) -> document.Document:
        """Return what the flow called *name* says: in its *file*, or as it was given.

        Raises:
            ConfigError: The file can't be read, is no YAML or is no mapping.
        """
        given = self.given.get(name)
        return read_yaml(file, self.relative(file)) if given is None else given

    def entity_files(self, flow: str) -> Iterator[tuple[str, Path]]:
        """Yield (name, file) of each entity of *flow* that has a file, in natural order.

        Raises:
            ConfigError: Two files define an entity of the same name, or they can't be listed.
        """
        if flow in self.given:
            return
        folder = self._read_from / flow / "entities"
        self._check_listable(folder)
        if not folder.is_dir():
            return
        found: dict[str, Path] = {}
        files = (file for suffix in FLOW_SUFFIXES for file in folder.glob(f"*{suffix}"))
        for file in sorted(files, key=lambda file: natural(file.name)):
            if file.stem in found:
                first, second = self.relative(found[file.stem]), self.relative(file)
                what = f"two entities are called '{file.stem}'"
                raise ConfigError(what, f"{first} and {second}", "rename one of them")
            found[file.stem] = file
        yield from found.items()

    def _candidates(self) -> Iterator[Path]:
        self._check_listable(self._read_from)
        for folder in self._read_from.glob("*/"):
            self._check_listable(folder)
        for suffix in FLOW_SUFFIXES:
            yield from self._read_from.glob(f"*{suffix}")
            yield from self._read_from.glob(f"*/flow{suffix}")

    def _check_listable(self, folder: Path) -> None:
        """Refuse *folder* if it is there but its files can't be seen."""
        try:
            os.scandir(folder).close()
            os.stat(os.path.join(folder, "."))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            shown = self.relative(folder)
            what = f"the folder '{shown}' can't be listed: {error.strerror}"
            raise ConfigError(what, shown, "see to it that you may read it") from error

    def _nested(self, file: Path) -> bool:
        return file.parent != self._read_from

    def relative(self, path: Path) -> str:
        """Return *path* as people write it: from the root, with forward slashes.

        A copy is called what it is a copy of.
        """
        if self.copies is not None and path.is_relative_to(self._read_from):
            path = self.flows / path.relative_to(self._read_from)
        return "." if path == self.root else located(str(path), self.root)

    def copy(self, into: Path) -> None:
        """Copy hygge.yml, and the YAML of flows and entities, to the folder *into* for `keep`.

        Raises:
            OSError: A file can't be copied; some may have been.
        """
        entities = (self.flows.glob(f"*/entities/*{suffix}") for suffix in FLOW_SUFFIXES)
        files = {
            file: into / FLOWS / file.relative_to(self.flows)
            for file in chain(self._candidates(), *entities)
        }
        if self.settings.is_file():
            files[self.settings] = into / SETTINGS
        into.mkdir(parents=True, exist_ok=True)
        for file, copied in files.items():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)


def _file_of(given: document.Document) -> str:
    place = given.place(())
    return place.file if place else ""


WHAT_A_NAME_IS = "use letters, digits, '_' and '-', and begin with a letter"


def is_name(text: str) -> bool:
    """Tell whether a flow or an entity may be called *text*."""
    return text.replace("-", "_").isidentifier() and not text.startswith(("_", "-"))


_given: dict[Path, Mapping[str, document.Document]] = {}


def give(root: Path, flows: Mapping[str, document.Document]) -> None:
    """Make *root* a project's root in this process, with *flows* beside those in its files."""
    _given[root.resolve()] = flows


_kept: dict[Path, Path] = {}


def keep(root: Path, copies: Path) -> None:
    """Read the configuration of the project at *root* from *copies* in this process.

    Messages name the files that were copied. Python is read from where it lies.
    """
    _kept[root.resolve()] = copies


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above *start* that holds a project.

    Raises:
        UsageError: There is none.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if folder in _given or any((folder / marker).is_file() for marker in MARKERS):
            return folder
    if (start / FLOWS).is_dir():
        return start
    raise UsageError(
        "no project here",
        f"{start}: no dodo.py or hygge.yml here or above, and no flows/ here",
        "go to your project's folder, or write a first flow: flows/NAME.yml",
    )


def load(root: Path) -> Project:
    """Read the project at *root*.

    Raises:
        ConfigError: hygge.yml is wrong.
    """
    schema.memory.use(root / ".hygge")
    project = Project(root, given=_given.get(root, {}), copies=_kept.get(root))
    if not project.settings.is_file():
        return project
    settings = read_yaml(project.settings, SETTINGS)
    schema.check(settings, settings.values, "project")
    return dataclasses.replace(
        project,
        defaults=settings.below("defaults"),
        flows_dir=_flows_dir(project, settings),
        durable=settings.values.get("durable", False),
    )


def _flows_dir(project: Project, settings: document.Document) -> str:
    """Return the folder with the flows of *project*, as *settings* name it.

    Raises:
        ConfigError: It is not there, or is the root itself: a run would take every flow for gone.
    """
    if "flows_dir" not in settings.values:
        return FLOWS
    written: str = os.path.normpath(settings.values["flows_dir"])
    if project.copies is not None:
        return written
    root, folder = project.root, project.root / written
    if not folder.is_dir():
        near = nearest(written, [each.name for each in root.iterdir() if each.is_dir()])
        hint = f"did you mean '{near}'?" if near else f"make it: mkdir -p {shlex.quote(written)}"
        raise settings.error(("flows_dir",), f"no folder '{written}' with flows", hint)
    if folder.resolve() == root.resolve():
        what = "the flows can't lie in the root itself: 'hygge.yml' would be one of them"
        raise settings.error(("flows_dir",), what, f"give them a folder: flows_dir: {FLOWS}")
    return written


def read_yaml(file: Path, shown: str) -> document.Document:
    """Read the mapping in *file*, called *shown* in messages.

    Raises:
        ConfigError: It can't be read, is too large, is no YAML or is no mapping.
    """
    try:
        there = file.stat()
        if there.st_size > MOST_BYTES:
            what = f"too large to be a flow: {there.st_size:,} bytes"
            raise ConfigError(what, shown, f"at most {MOST_BYTES:,} bytes; is it data?")
        if not (stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)):
            raise ConfigError("no plain file", shown, "put one there, or remove it")
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", shown, "save the file as UTF-8") from error
    except OSError as error:
        hint = "see to it that you may read it" if isinstance(error, PermissionError) else ""
        raise ConfigError(f"can't be read: {error.strerror}", shown, hint) from error
    result = document.parse(text, shown)
    if not isinstance(result.values, dict):
        raise result.error((), f"'{shown}' must hold a mapping", "write 'key: value' lines")
    return result
