"""This is where keys that other tools have are answered with what to write instead."""

from __future__ import annotations

_INSTEAD = {
    "run_type": "leave it out: a run is incremental; to move everything once: doit go --full-drop",
    "key_column": "leave it out: a partition is compared as a whole; "
    "to see to it that a key is there once: checks: [{unique: [KEY]}]",
    "watermark": "leave it out: content decides what is moved, so that corrections of old rows "
    "are moved too",
    "journal": "leave it out: what was moved is remembered in .doit.db, "
    "what runs did in .hygge/runs",
    "connections": "leave it out: there are no connections yet, homes and stores are files",
}
"""What to do about a key, wherever it stands."""

_OPTIONS = {
    "home": "leave it out: only csv and ndjson files have options for reading",
    "store": "leave it out: for arrow files there is 'compression', directly under 'store'",
}
"""What to do about ``options``, by the section that it stands in."""

_OPTIONS_OF_FLOW = (
    "write what is for reading under 'home', what is for writing under 'store', "
    "and how to run on the command line: doit go --concurrency 4"
)


def instead_of(key: str, section: str) -> str:
    """Return what to write instead of *key*; empty where it is not known from elsewhere.

    Args:
        section: ``home`` or ``store`` where it stands in one, else anything.
    """
    if key == "options":
        return _OPTIONS.get(section, _OPTIONS_OF_FLOW)
    return _INSTEAD.get(key, "")
