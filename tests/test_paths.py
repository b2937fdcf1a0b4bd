"""Paths are compared as the folders that they lie in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hygge.paths import Folders, contains

PATHS = st.lists(st.sampled_from(["a", "b", "ab", "a b", "a.b"]), max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(st.lists(PATHS, max_size=12), PATHS)
def test_folders_near_a_path_are_those_that_hold_it_or_lie_in_it(
    folders: list[str], path: str
) -> None:
    named = {str(number): folder for number, folder in enumerate(folders)}

    assert Folders(named).near(path) == [
        name for name, folder in named.items() if contains(folder, path) or contains(path, folder)
    ]
