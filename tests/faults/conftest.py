"""This is where the suites of faults get what they share: a server, and a line of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from laws.server import Server

from faults.results import record


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """What `doit` is typed into, hundreds of times."""
    started = Server()
    yield started
    started.close()


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What a module counts; shown, and recorded under the module's TOPIC, when it has ended."""
    counts: Counter[str] = Counter()
    yield counts
    capturing = request.config.pluginmanager.getplugin("capturemanager")
    with capturing.global_and_fixture_disabled():
        print(f"\n{request.module.TOPIC}: {dict(counts)}")
    record(request.module.TOPIC, counts)


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the test is one of the long form."""
    return request.node.get_closest_marker("full") is not None
