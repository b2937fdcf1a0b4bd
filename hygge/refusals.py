"""This is where what keeps a flow from being moved is put into words."""

from __future__ import annotations

from hygge.errors import ConfigError, HomeError
from hygge.flow import Flow


def no_files(flow: Flow) -> HomeError:
    """Build the error for an entity without files."""
    return flow.home.error(
        HomeError,
        f"the entity '{flow.name.partition('.')[2]}' has no files in '{flow.home.values['path']}'",
        "put some there, or take the entity out",
        "path",
    )


def store_in_home(flow: Flow) -> ConfigError:
    """Build the error for a store that lies in its own home, or the other way round."""
    return flow.store.error(
        ConfigError,
        f"the store '{flow.store.values['path']}' and the home "
        f"'{flow.home.values['path']}' share files",
        f"give the store a folder of its own: data/store/{flow.name}",
        "path",
    )


def shared_store(flow: Flow, other: str, same: bool) -> ConfigError:
    """Build the error for a store that another flow has too, or a part of it."""
    path = flow.store.values["path"]
    relation = "is also" if same else "overlaps"
    return flow.store.error(
        ConfigError,
        f"the store '{path}' {relation} the store of the flow '{other}'",
        "give each of the two a folder of its own",
        "path",
    )


def forbidden_removal(flow: Flow, gone: list[str]) -> HomeError:
    """Build the error for sources that are gone where ``on_removed`` is ``error``."""
    return flow.home.error(
        HomeError,
        f"no source any more for {', '.join(gone[:5])}{' and others' if len(gone) > 5 else ''}",
        "restore what is gone, or write 'on_removed: delete' or 'keep' under store",
        "path",
    )


def suspicious_removal(flow: Flow, now: int, before: int) -> HomeError:
    """Build the error for a home that has lost more than half of its partitions."""
    return flow.home.error(
        HomeError,
        f"the home '{flow.home.values['path']}' has {now} partitions, it had {before}",
        "see whether a disk is missing; if all is as it should be: doit --allow-prune",
        "path",
    )


def own_store(flow: Flow, name: str) -> ConfigError:
    """Build the error for an input that lies in the store of its own flow."""
    document = flow.home.document
    return document.error(
        ("inputs", name),
        f"the input '{name}' lies in the store of its own flow",
        "let another flow write it",
    )
