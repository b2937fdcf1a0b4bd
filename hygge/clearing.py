"""This is where outputs that nobody needs go, and what killed runs left half-written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from hygge.durability import sync_removals
from hygge.errors import StoreError
from hygge.events import is_run_id
from hygge.paths import located
from hygge.stores.staging import (
    FOLDERS,
    is_temporary,
    remove_temporary,
    store_error,
    temporary_path,
)


def remove(outputs: Iterable[str], root: Path, floors: Collection[Path]) -> tuple[str, ...]:
    """Remove *outputs* and the folders below *floors* that are empty then; return what was there.

    It is on the disk then: what is forgotten next could not be removed again.

    Raises:
        StoreError: One can't be removed; those before it are gone.
    """
    removed = []
    for output in outputs:
        path = root / output
        if path.is_dir() and not path.is_symlink():
            continue  # what was written is gone: somebody made a folder of this name
        try:
            path.unlink()
        except NotADirectoryError:
            continue
        except FileNotFoundError:
            pass  # but perhaps the folder was made for it
        except OSError as error:
            raise StoreError(
                f"'{output}' can't be removed: {error.strerror}",
                output,
                "see to it that you may write there; then run again",
            ) from error
        else:
            removed.append(output)
        with FOLDERS:
            _remove_empty_folders(path.parent, floors)
    try:
        sync_removals({(root / output).parent for output in removed})
    except OSError as error:
        what = f"it did not reach the disk that '{removed[0]}' is removed: {error.strerror}"
        raise StoreError(what, removed[0], "see to it that the disk is sound") from error
    return tuple(removed)


def _remove_empty_folders(folder: Path, floors: Collection[Path]) -> None:
    while folder not in floors and any(folder.is_relative_to(floor) for floor in floors):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


def sweep(
    intents: Iterable[tuple[str, Iterable[str]]],
    root: Path,
    may_lie: Callable[[str], bool] = bool,
) -> None:
    """Remove what killed runs left half-written, given (run, outputs) of each.

    Args:
        may_lie: Tells whether an output can lie where it is said to; wherever it is by default.

    Raises:
        StoreError: A file can't be removed.
    """
    for run, outputs in intents:
        for output in filter(may_lie, outputs if is_run_id(run) else ()):
            path = root / output
            temporary = path if is_temporary(path.name) else temporary_path(path, run)
            try:
                remove_temporary(temporary)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise store_error(output, error) from error


def sweep_folder(store: Path, root: Path) -> None:
    """Remove everything below *store* that some run left half-written.

    Raises:
        StoreError: Something can't be removed.
    """
    for temporary in store.rglob(".*.tmp"):
        if is_temporary(temporary.name):
            try:
                remove_temporary(temporary)
            except OSError as error:
                raise store_error(located(str(temporary), root), error) from error
