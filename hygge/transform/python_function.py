"""This is where a flow's Python function is found and called."""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import os
import threading
import traceback
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygge.errors import ConfigError, HyggeError, TransformError, nearest
from hygge.flow import Section
from hygge.partition import Partition
from hygge.paths import contains, located, normal
from hygge.transform.faults import first_line
from hygge.transform.modules import Folder, Modules, Source, nameless, sources_of, syntax_tree

if TYPE_CHECKING:
    import polars as pl

GIVEN = ("partition", "params")
"""What a function can declare beside the rows and the inputs."""


@dataclass(frozen=True)
class Function:
    """A function from LazyFrame to LazyFrame in a file of the project."""

    section: Section
    root: Path
    file: str
    """Relative to the root."""
    name: str
    sources: Mapping[str, Source]
    """Its module, and those beside it that it imports, by dotted name."""
    _loaded: list[Modules] = field(default_factory=list, compare=False, repr=False)
    _loading: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @classmethod
    def create(cls, section: Section, inputs: Collection[str], root: Path) -> Function:
        """Find the function that *section* names. Its code is read, not run.

        Raises:
            ConfigError: There is no such function, or it wants what it can't be given.
        """
        written, _, name = section.values["python"].rpartition(":")
        file = normal(written, root)
        path = root / file
        module = path.stem
        if not contains(str(root), str(path)):
            raise section.error(
                ConfigError, f"'{written}' lies outside the project", "move it inside", "python"
            )
        if not name.isidentifier() or not module.isidentifier():
            wrong = module if name.isidentifier() else name
            raise section.error(
                ConfigError, f"'{wrong}' is no name that Python takes", "rename it", "python"
            )
        if not path.is_file():
            raise _no_file(section, file, path)
        sources = sources_of(Folder(path.parent), module, root)
        _check(section, syntax_tree(sources[module], file), file, name, inputs)
        return cls(section, root, file, name, sources)

    def __reduce__(self) -> tuple[type[Function], tuple[Any, ...]]:
        """Go to another process as what was read, not as what was loaded."""
        return Function, (self.section, self.root, self.file, self.name, self.sources)

    def hashes(self) -> dict[str, str]:
        """Return the content hash of each file that the function consists of, by path."""
        return {
            located(str(each.path), self.root): each.hash
            for each in self.sources.values()
            if each.text or each.path.suffix
        }

    def __call__(
        self, rows: pl.LazyFrame, partition: Partition, inputs: Mapping[str, pl.LazyFrame]
    ) -> pl.LazyFrame:
        """Call it with *rows*, and with what it declares.

        Raises:
            TransformError: It can't be loaded, raises, or returns something else than a LazyFrame.
        """
        import polars as pl

        modules = self._modules()
        try:
            with modules.registered():
                function = self._found(modules)
                result = function(rows, **self._arguments(function, partition, inputs))
        except (TransformError, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            raise self._raised(error) from error
        if isinstance(result, pl.LazyFrame):
            return result
        what = f"'{self.name}' in {self.file} returned {type(result).__name__}, not a LazyFrame"
        hint = "add .lazy()" if isinstance(result, pl.DataFrame) else "return the changed LazyFrame"
        raise self.section.error(TransformError, what, hint, "python")

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Turn what the function's code raises while a plan is executed into a TransformError.

        Raises:
            TransformError: With the frames of the function and of the modules beside it only.
        """
        try:
            yield
        except (HyggeError, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:
            if self._frames(error):
                raise self._raised(error) from error
            raise

    def _raised(self, error: BaseException) -> TransformError:
        text = nameless(first_line(error)).replace(os.path.join(self.root, ""), "")
        named = f"{type(error).__name__}: {text}" if text else type(error).__name__
        place = self.section.place("python")
        return TransformError(named, self._frames(error) or str(place or self.file))

    def _frames(self, error: BaseException) -> str:
        """Return the frames of *error* that are in this function's files, innermost last."""
        files = {str(each.path) for each in self._known_sources()}
        frames = [
            each for each in traceback.extract_tb(error.__traceback__) if each.filename in files
        ]
        shown = [
            f"{located(each.filename, self.root)}:{each.lineno} in {each.name}: {each.line}"
            for each in frames
        ]
        if isinstance(error, SyntaxError) and error.filename in files:
            at = (
                f"{located(error.filename, self.root)}:{error.lineno}: {(error.text or '').strip()}"
            )
            shown.append(at)
        # Below the first one, which stands behind "  at ".
        return "\n     ".join(shown)

    def _known_sources(self) -> list[Source]:
        loaded = [each for modules in self._loaded for each in modules.sources.values()]
        return [*self.sources.values(), *loaded]

    def _modules(self) -> Modules:
        with self._loading:
            if not self._loaded:
                self._loaded.append(Modules(Folder((self.root / self.file).parent), self.sources))
            return self._loaded[0]

    def _found(self, modules: Modules) -> Any:
        module = modules.load((self.root / self.file).stem)
        function = getattr(module, self.name, None)
        if not callable(function):
            what = f"'{self.name}' in {self.file} is no function"
            raise self.section.error(TransformError, what, "", "python")
        return function

    def _arguments(
        self, function: Any, partition: Partition, inputs: Mapping[str, pl.LazyFrame]
    ) -> dict[str, Any]:
        params = copy.deepcopy(self.section.values.get("params", {}))
        given = {**inputs, "partition": partition, "params": params}
        parameters = list(inspect.signature(function).parameters.values())[1:]
        kinds = {each.kind for each in parameters}
        named = {
            each.name
            for each in parameters
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        }
        missing = [
            each.name
            for each in parameters
            if each.name in named and each.default is each.empty and each.name not in given
        ]
        if missing:
            what, hint = _cant_be_given(self.name, self.file, missing[0], inputs)
            raise self.section.error(TransformError, what, hint, "python")
        if inspect.Parameter.VAR_KEYWORD in kinds:
            named |= set(inputs)
        return {name: value for name, value in given.items() if name in named}


# What can be told from the text alone


def _no_file(section: Section, file: str, path: Path) -> ConfigError:
    beside = [located(str(each), path.parent) for each in path.parent.glob("*.py")]
    near = nearest(path.name, beside)
    hint = f"did you mean '{near}'?" if near else "write it, or correct the path"
    return section.error(ConfigError, f"no file '{file}'", hint, "python")


def _check(
    section: Section, tree: ast.Module, file: str, name: str, inputs: Collection[str]
) -> None:
    """Refuse a function that is not in *tree*, or that wants what it can't be given."""
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    others: set[str] = set()
    for node in _statements(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions[node.name] = node
        else:
            others |= _names(node)
    function = functions.get(name)
    if function is None and not others & {name, "*"}:
        near = nearest(name, functions)
        hint = f"did you mean '{near}'?" if near else f"define it: def {name}(rows): ..."
        raise section.error(ConfigError, f"no function '{name}' in {file}", hint, "python")
    if isinstance(function, ast.AsyncFunctionDef):
        what = f"'{name}' in {file} is async"
        raise section.error(ConfigError, what, "define it with 'def'", "python")
    if function is not None and not function.decorator_list:
        _check_parameters(section, function, file, inputs)


def _check_parameters(
    section: Section, function: ast.FunctionDef, file: str, inputs: Collection[str]
) -> None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if not positional and arguments.vararg is None:
        what = f"'{function.name}' in {file} takes no rows"
        hint = f"give it a first argument: def {function.name}(rows): ..."
        raise section.error(ConfigError, what, hint, "python")
    required = positional[1 : max(len(positional) - len(arguments.defaults), 1)]
    required += [
        each
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    for each in required:
        if each.arg not in GIVEN and each.arg not in inputs:
            what, hint = _cant_be_given(function.name, file, each.arg, inputs)
            raise section.error(ConfigError, what, hint, "python")


def _cant_be_given(name: str, file: str, argument: str, inputs: Collection[str]) -> tuple[str, str]:
    what = f"'{name}' in {file} wants '{argument}', which is no input"
    known = ", ".join(f"'{each}'" for each in (*GIVEN, *inputs))
    near = nearest(argument, [*GIVEN, *inputs])
    hint = f"did you mean '{near}'?" if near else f"it can have {known}; others need a default"
    return what, hint


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those within ``if`` and ``try`` too."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _names(node: ast.stmt) -> set[str]:
    """Return the names that a statement gives a value."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {
            each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
        }
    return set()
