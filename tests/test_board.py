"""The board: one file that shows a project, looked at in a browser as people do."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import random
import re
import shutil
import signal
import time
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import ProjectFolder

from hygge.board.data import STATES, Board, Card, Cell
from hygge.board.history import Bar
from hygge.board.layout import Graph, laid_out
from hygge.board.page import LARGEST, SCRIPTS, page
from hygge.errors import ConfigError
from hygge.fingerprint import Signature
from hygge.plan import Reason
from hygge.receipt import Output, ReadSource, Receipt

RUN = "20261121T083000123Z-0a1b2c"

CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# Boards without a project


def some_hash(chance: random.Random) -> str:
    return f"{chance.getrandbits(128):032x}"


def receipt(chance: random.Random, key: str, folders: tuple[str, ...]) -> Receipt:
    def signature(size: int) -> Signature:
        return Signature(size, 0, 0, 0, 0)

    return Receipt(
        config="c" * 32,
        sources=(
            ReadSource(
                f"data/home/sales/{key}.parquet",
                some_hash(chance),
                signature(chance.randrange(10**7)),
            ),
        ),
        outputs=tuple(
            Output(
                f"data/store/sales/{folder}{key}.parquet",
                some_hash(chance),
                chance.randrange(10**6),
                signature(chance.randrange(10**7)),
            )
            for folder in folders
        ),
        run=RUN,
        seconds=chance.random(),
    )


def large(count: int, folders: tuple[str, ...] = ("",), reason: bool = False) -> Board:
    """Return a board with *count* partitions, each with an output in each of *folders*."""
    chance = random.Random(count)
    keys = [f"{2000 + i // 336}-{i // 28 % 12 + 1:02}-{i % 28 + 1:02}" for i in range(count)]
    cells = tuple(
        Cell(
            key,
            "stale" if reason else "fresh",
            Reason("source changed", f"'{key}.parquet', content {some_hash(chance)[:8]} -> 1")
            if reason
            else None,
            receipt(chance, key, folders),
        )
        for key in keys
    )
    card = Card("sales", "", "data/home/sales", "parquet", "data/store/sales", "parquet")
    counts = dict.fromkeys(STATES, 0) | {cells[0].state: count}
    card = dataclasses.replace(card, cells=cells)
    return Board("large", "2026-11-21T08:30:00+00:00", (card,), (), counts)


REGIONS = tuple(f"region={name}/" for name in ("north", "south", "west"))


@pytest.mark.parametrize(
    ("folders", "reason"), [(("",), False), (("",), True), (REGIONS, False), (REGIONS, True)]
)
def test_ten_thousand_partitions_fit_into_half_a_megabyte(
    folders: tuple[str, ...], reason: bool
) -> None:
    size = len(page(large(10_000, folders, reason)).encode())

    assert size < LARGEST == 500_000


def test_nothing_in_the_page_is_fetched_from_anywhere() -> None:
    text = page(large(3))

    addresses = set(re.findall(r"\b(?:https?|wss?|ftp)://[^\s\"'<>)]*", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a vocabulary, never fetched
    assert not re.search(r"<(?:link|img|iframe|base)\b|@import|url\(|\bsrc=", text)


def test_browser_is_told_to_let_the_page_reach_nobody() -> None:
    still, live = page(large(3)), page(large(3), live=True)

    assert "connect-src &#x27;none&#x27;" in still
    assert "connect-src &#x27;self&#x27;" in live
    assert "unsafe" not in still


def test_same_board_is_the_same_page() -> None:
    assert page(large(50)) == page(large(50))


# Lineage


def card(name: str, *upstream: str, outside: tuple[str, ...] = ()) -> Card:
    return Card(name, upstream=upstream, outside=outside)


def place(graph: Graph, name: str) -> tuple[int, float]:
    (node,) = [node for node in graph.nodes if node.label == name]
    return node.layer, node.row


def test_flow_stands_to_the_right_of_all_that_it_reads() -> None:
    graph = laid_out([card("a", outside=("in",)), card("b", "a"), card("c", "a", "b")])

    assert [place(graph, name)[0] for name in ("in", "a", "b", "c")] == [0, 1, 2, 3]


def test_no_two_nodes_stand_at_one_place() -> None:
    cards = [card(f"f{i}", *(f"f{j}" for j in range(i % 5, i, 7))) for i in range(60)]
    graph = laid_out(cards)

    for layer in {node.layer for node in graph.nodes}:
        rows = sorted(node.row for node in graph.nodes if node.layer == layer)
        assert all(below - above >= 0.99 for above, below in pairwise(rows))


def test_lines_over_several_layers_pass_between_nodes() -> None:
    graph = laid_out([card("a"), card("b", "a"), card("c", "b"), card("d", "a", "c")])
    (edge,) = [each for each in graph.edges if each.source == "flow:a" and each.bends]

    assert edge.target == "flow:d"
    assert [layer for layer, _ in edge.bends] == [1, 2]
    assert all(
        place(graph, name)[1] != row for name, (_, row) in zip("bc", edge.bends, strict=True)
    )


def test_many_entities_share_a_node() -> None:
    cards = [card(f"land.{i}", outside=(f"data/land/{i}",)) for i in range(30)]
    graph = laid_out([*cards, card("after", "land.3", "land.4")])

    assert {node.label for node in graph.nodes} == {"data/land", "land.*", "after"}
    assert len(graph.edges) == 2


def test_flows_of_which_a_shared_node_makes_a_circle_are_laid_out_all_the_same() -> None:
    land = [card(f"land.{i}") for i in range(10)]
    land[9] = card("land.9", "between")
    graph = laid_out([*land[:9], card("between", "land.0"), land[9]])

    assert {node.label for node in graph.nodes} == {"land.*", "between"}


def test_long_chain_needs_no_recursion() -> None:
    cards = [card(f"f{i}", *([f"f{i - 1}"] if i else [])) for i in range(1500)]

    assert place(laid_out(list(reversed(cards))), "f1499")[0] == 1499


# The command


def test_board_writes_a_page_and_tells_its_path(project: ProjectFolder) -> None:
    project.months(2)
    result = project.doit("board")

    assert (result.code, result.out, result.err) == (0, ".hygge/board.html\n", "")
    text = (project.root / ".hygge/board.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>\n")


def test_board_goes_where_it_is_told(project: ProjectFolder) -> None:
    project.months(1)
    result = project.doit("board", "-o", "out/deep/board.html")

    assert result.out == "out/deep/board.html\n"
    assert (project.root / "out/deep/board.html").is_file()


def test_board_moves_nothing_and_takes_no_lock(project: ProjectFolder) -> None:
    project.months(2)
    project.doit("board")

    assert not (project.root / "data/store").exists()
    assert not (project.root / ".doit.db").exists()
    assert sorted(each.name for each in (project.root / ".hygge").iterdir()) == ["board.html"]


def test_board_answers_programs_in_the_envelope(project: ProjectFolder) -> None:
    project.months(3)
    project.doit()
    project.parquet("data/home/flights/2013-02.parquet", 5)
    project.parquet("data/home/flights/2013-04.parquet", 5)
    answer = json.loads(project.doit("board", "--json").out)

    file = project.root / ".hygge/board.html"
    assert answer == {
        "schema_version": 1,
        "command": "board",
        "status": "stale",
        "data": {
            "path": ".hygge/board.html",
            "url": file.as_uri(),
            "size_bytes": file.stat().st_size,
            "flows": 1,
            "broken": 0,
            "partitions": {"fresh": 2, "stale": 1, "failed": 0, "never": 1, "ignored": 0},
            "runs": 1,
        },
        "diagnostics": [],
    }


def test_board_is_written_although_a_flow_is_broken(project: ProjectFolder) -> None:
    project.months(1)
    project.flow("odd", "home: data/home/flights\nstoer: data/store/odd\n")
    result = project.doit("board")

    assert (result.code, result.out) == (0, ".hygge/board.html\n")
    assert result.err == (
        "error: unknown key 'stoer' in flow\n"
        "  at flows/odd.yml:2:1  stoer: data/store/odd\n"
        "                        ^\n"
        "  try: did you mean 'store'?\n"
    )
    assert json.loads(project.doit("board", "--json").out)["status"] == "error"


def test_board_takes_no_names(project: ProjectFolder) -> None:
    result = project.doit("board", "flights")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: board takes no names: 'flights'\n"
        "  try: the page shows the whole project; to choose the file: -o flights\n"
    )


def test_board_that_can_not_be_written_is_told(project: ProjectFolder) -> None:
    project.write("taken/file", "x")
    result = project.doit("board", "-o", "taken")

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: the page can't be written: Is a directory\n"
        "  at taken\n"
        "  try: choose another file: doit board -o FILE\n"
    )


def test_secrets_do_not_reach_the_board(project: ProjectFolder, tmp_path: Path) -> None:
    for i in range(2):
        project.parquet(f"data/home/hunter2secret/{i}.parquet")
    project.flow("x", "description: by hunter2secret\nhome: ${PLACE_TOKEN}\nstore: data/store/x\n")
    project.flow("y", "home: data/hunter2secret/none\nstore: data/store/y\n")
    place = {"PLACE_TOKEN": "data/home/hunter2secret", "MY_PASSWORD": "hunter2secret"}
    project.doit(**place)
    project.doit("board", **place)

    assert "hunter2secret" not in json.dumps(unpacked(project.root / ".hygge/board.html"))


def unpacked(file: Path) -> Any:
    match = re.search(r'id="data">([^<]*)<', file.read_text(encoding="utf-8"))
    assert match
    return json.loads(zlib.decompress(base64.b64decode(match[1])))


def test_ignored_partitions_and_failed_ones_are_told_apart(project: ProjectFolder) -> None:
    for name, text in {"1": "id\n1\n", "2": "id\nx\n", "3": "id\n3\n"}.items():
        project.write(f"data/home/t/{name}.csv", text)
    project.flow("t", "home: data/home/t\nstore: data/store/t\ntransform: {cast: {id: int64}}\n")
    project.doit("--continue")
    project.doit("ignore", "t:3")
    project.doit("board")
    data = unpacked(project.root / ".hygge/board.html")

    states = [data["states"][int(digit)] for digit in data["flows"][0]["cells"]["states"]]
    assert states == ["fresh", "failed", "ignored"]


# In a browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    service, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if service is None or chromium is None:
        pytest.skip("there is no chromium, or no chromedriver, on this machine")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(service))
    try:
        yield browser
    finally:
        browser.quit()


class Look:
    """A page in a browser."""

    def __init__(self, driver: Any, url: str, dark: bool = False) -> None:
        self.driver = driver
        self.theme(dark)
        driver.get("about:blank")
        self.complaints()
        driver.get(url)
        self.run("localStorage.clear()")
        self.until("document.querySelector('#headline').textContent !== 'Reading…'")

    def theme(self, dark: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def tell(self, expression: str) -> Any:
        return self.run(f"return {expression}")

    def until(self, expression: str, seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not self.tell(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        return str(self.tell(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            ActionChains(self.driver).send_keys(getattr(Keys, key, key)).perform()

    def complaints(self) -> list[str]:
        return [each["message"] for each in self.driver.get_log("browser")]

    def requests(self) -> set[str]:
        """Return the addresses that were asked for since this was called last."""
        messages = [json.loads(each["message"])["message"] for each in self._performance()]
        sent = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
        return {each["params"]["request"]["url"] for each in sent}

    def _performance(self) -> list[Any]:
        return list(self.driver.get_log("performance"))

    def cells(self) -> list[str]:
        return list(
            self.tell(
                "[...document.querySelectorAll('.card:not([hidden]) .slot')]"
                ".map((each) => each.getAttribute('aria-label').toWellFormed())"
            )
        )


def file_of(tmp_path: Path, board: Board) -> str:
    file = tmp_path / "board.html"
    file.write_text(page(board), encoding="utf-8")
    return file.as_uri()


def looked_at(project: ProjectFolder, driver: Any, dark: bool = False) -> Look:
    assert project.doit("board").code == 0
    return Look(driver, (project.root / ".hygge/board.html").as_uri(), dark)


def test_page_loads_without_complaint_and_asks_for_nothing_else(
    project: ProjectFolder, driver: Any
) -> None:
    project.months(3)
    project.doit()
    driver.get_log("performance")
    look = looked_at(project, driver)

    assert look.complaints() == []
    # What the browser still asks of itself, for the tab that it began with, is not the page's.
    own = ("about:", "data:", "chrome:")
    assert {url for url in look.requests() if not url.startswith(own)} == {
        (project.root / ".hygge/board.html").as_uri()
    }
    assert look.text("#headline") == "Everything is up to date"
    assert look.text("#lead") == "3 partitions in 1 flow: 3 up to date."
    assert look.cells() == [f"2013-0{i}, up to date" for i in (1, 2, 3)]


def test_click_shows_the_receipt(project: ProjectFolder, driver: Any) -> None:
    project.months(2)
    project.doit()
    look = looked_at(project, driver)
    look.click(".slot[aria-label^='2013-02']")

    panel = look.text("#panel")
    file = project.root / "data/store/flights/2013-02.parquet"
    digest = project.digest()["flights/2013-02.parquet"]
    assert panel.split()[:4] == ["2013-02", "partition", "of", "flights"]
    assert "data/home/flights/2013-02.parquet" in panel
    assert f"data/store/flights/2013-02.parquet\n3 rows · {said(file)} · {digest[:8]}" in panel
    assert "Run " in panel and "doit info flights:2013-02" in panel
    titles = look.tell("[...document.querySelectorAll('.hash')].map((each) => each.title)")
    assert titles == [f"content hash {digest}"] * 2


def said(file: Path) -> str:
    size = file.stat().st_size
    return f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB"


def test_stale_partition_tells_its_reason(project: ProjectFolder, driver: Any) -> None:
    project.months(2)
    project.doit()
    project.parquet("data/home/flights/2013-02.parquet", 9)
    look = looked_at(project, driver)

    assert look.text("#headline") == "1 partition waits to be moved"
    assert look.text("#causes").startswith("1 stale\nflights\nsource changed: '2013-02.parquet'")
    look.click(".slot[aria-label='2013-02, stale']")
    assert "source changed\n'2013-02.parquet', content" in look.text("#panel .reason")


def test_keyboard_goes_through_the_partitions_and_back(project: ProjectFolder, driver: Any) -> None:
    project.months(4)
    look = looked_at(project, driver)
    look.run("document.querySelector('.slot[tabindex=\"0\"]').focus()")
    focused = "document.activeElement.getAttribute('aria-label')"

    look.press("ARROW_RIGHT", "ARROW_RIGHT")
    assert look.tell(focused) == "2013-03, never moved"
    look.press("END")
    assert look.tell(focused) == "2013-04, never moved"
    look.press("HOME", "ENTER")
    assert look.text("#panel-title") == "2013-01"
    look.press("ARROW_RIGHT")
    assert look.text("#panel-title") == "2013-02"
    look.press("ENTER")
    look.press("ENTER")
    assert look.tell("document.activeElement.id") == "panel-title"
    look.press("ESCAPE")
    assert look.tell("document.querySelector('#panel').hidden") is True
    assert look.tell(focused) == "2013-02, never moved"
    assert look.tell("document.querySelectorAll('.slot[tabindex=\"0\"]').length") == 1


def test_filter_by_state_and_by_text(project: ProjectFolder, driver: Any) -> None:
    project.months(3)
    project.doit()
    for month in ("04", "05"):
        project.parquet(f"data/home/flights/2013-{month}.parquet")
    look = looked_at(project, driver)

    look.click(".chip[data-state=never]")
    assert look.cells() == ["2013-04, never moved", "2013-05, never moved"]
    look.run("document.querySelector('#find').focus()")
    look.press("-05")
    assert look.cells() == ["2013-05, never moved"]
    assert look.text("#found") == "1 of 5 partitions"
    look.click(".chip[data-state=never]")
    look.run(
        "const f = document.querySelector('#find'); f.value = ''; "
        "f.dispatchEvent(new Event('input'))"
    )
    assert len(look.cells()) == 5


def brightness(look: Look) -> float:
    colour = look.tell("getComputedStyle(document.body).backgroundColor")
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_theme_is_that_of_the_system_until_another_is_chosen(
    project: ProjectFolder, driver: Any
) -> None:
    project.months(1)
    look = looked_at(project, driver, dark=True)

    assert brightness(look) < 60
    look.click("#theme")
    assert look.text("#theme").endswith("light theme") and brightness(look) > 200
    look.click("#theme")
    look.theme(dark=False)
    assert look.text("#theme").endswith("dark theme") and brightness(look) < 60


CONTRAST = """
const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
function light(name) {
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  probe.fillRect(0, 0, 1, 1);
  const parts = [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
  const [r, g, b] = parts.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const [one, other] = [light(arguments[0]), light(arguments[1])].sort((a, b) => b - a);
return (one + 0.05) / (other + 0.05);
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_is_enough_to_read_and_to_tell_states(
    tmp_path: Path, driver: Any, dark: bool
) -> None:
    look = Look(driver, file_of(tmp_path, large(3)), dark)

    for ink in ("--ink", "--soft", "--failed", "--fresh", "--running"):
        for paper in ("--paper", "--sheet"):
            assert look.run(CONTRAST, ink, paper) >= 4.5, (ink, paper)
    for state in ("--stale", "--never", "--ignored", "--focus"):
        assert look.run(CONTRAST, state, "--sheet") >= 3, state
    assert look.run(CONTRAST, "--failed", "--failed-tint") >= 4.5
    assert look.run(CONTRAST, "--on-colour", "--failed") >= 4.5


def test_states_are_told_by_shape_and_not_by_colour_alone(tmp_path: Path, driver: Any) -> None:
    look = Look(driver, file_of(tmp_path, large(3)))
    shapes = look.run(
        """
        return arguments[0].map((state) => {
          const cell = document.createElement('i');
          cell.className = `cell is-${state}`;
          document.body.append(cell);
          const { backgroundImage, borderTopWidth, backgroundSize } = getComputedStyle(cell);
          return `${backgroundImage} ${borderTopWidth} ${backgroundSize}`
            .replace(/rgba?\\([^)]*\\)/g, 'C');
        });
        """,
        list(STATES),
    )

    assert len(set(shapes)) == len(STATES)


NAMES = (
    "</script><script>document.title='owned'</script>",
    "\"'><img src=x onerror=document.title='owned'>",
    "<!--data-->",
    "emoji 🦔 and ümlaut",
    "\u202eright to left",
    "مرحبا",
    "$(touch owned) `x` 'y'",
    "a\u2028b\nc",
    "\udc80surrogate",
)


def test_odd_names_are_harmless(tmp_path: Path, driver: Any) -> None:
    cells = tuple(Cell(name, "failed", Reason("last move failed", name), None) for name in NAMES)
    error = ConfigError(NAMES[0], NAMES[1], NAMES[3])
    cards = (
        Card("odd", NAMES[0], NAMES[1], "csv", NAMES[3], "csv", outside=NAMES, cells=cells),
        Card("broken", error=error),
    )
    bars = (Bar(RUN, "failed", NAMES[0], 1.0, {"failed": 9}, ((f"odd:{NAMES[0]}", NAMES[1]),)),)
    counts = dict.fromkeys(STATES, 0) | {"failed": len(NAMES)}
    board = Board(NAMES[0], "2026-11-21T08:30:00+00:00", cards, bars, counts)
    look = Look(driver, file_of(tmp_path, board))

    assert look.complaints() == []
    labels = look.cells()
    assert [label.removesuffix(", failed") for label in labels[:-1]] == list(NAMES[:-1])
    for number, name in enumerate(NAMES[:-1]):
        look.run("document.querySelectorAll('.slot')[arguments[0]].click()", number)
        assert look.tell("document.querySelector('#panel-title').textContent") == name
    assert "owned" not in str(look.tell("document.title")).split("·")[0]
    assert look.tell("document.querySelectorAll('img, script[src], #panel script').length") == 0


def test_page_of_ten_thousand_is_fluid(tmp_path: Path, driver: Any) -> None:
    look = Look(driver, file_of(tmp_path, large(10_000, REGIONS)))
    look.click(".more")

    assert look.tell("document.querySelectorAll('.slot').length") < 6000
    look.run("scrollTo(0, document.body.scrollHeight)")
    look.until("[...document.querySelectorAll('.slot')].some((e) => +e.dataset.at === 9999)")
    began = time.monotonic()
    look.run(
        "const f = document.querySelector('#find'); f.value = '-12-28'; "
        "f.dispatchEvent(new Event('input'))"
    )
    assert look.tell("document.querySelectorAll('.slot').length") == 29
    assert time.monotonic() - began < 2
    look.run("document.querySelector('.slot').click()")
    assert "3 outputs written" in look.text("#panel").lower()


def test_broken_flow_is_shown_with_its_error(project: ProjectFolder, driver: Any) -> None:
    project.months(1)
    project.flow("odd", "home: data/home/flights\nstoer: data/store/odd\n")
    look = looked_at(project, driver)

    assert look.text("#headline") == "1 flow can't be used"
    fault = look.text(".card[data-flow=odd] .fault")
    assert "unknown key 'stoer' in flow" in fault
    assert "flows/odd.yml:2:1  stoer: data/store/odd\n                   ^" in fault
    assert "Try: did you mean 'store'?" in fault


def test_empty_project_is_told_how_to_begin(project: ProjectFolder, driver: Any) -> None:
    look = looked_at(project, driver)

    assert look.complaints() == []
    assert look.text("#headline") == "Nothing here yet"
    assert "Write a first one, flows/NAME.yml" in look.text("#next")
    assert look.tell("document.querySelector('#lineage').hidden") is True


def test_runs_are_bars_that_tell_what_they_did(project: ProjectFolder, driver: Any) -> None:
    project.months(3)
    project.doit()
    project.parquet("data/home/flights/2013-02.parquet", 7)
    project.doit()
    look = looked_at(project, driver)

    assert look.tell("document.querySelectorAll('.bar').length") == 2
    label = look.tell("document.querySelector('.bar:last-child').getAttribute('aria-label')")
    assert ": succeeded, 1 moved, in " in label
    look.click(".bar:last-child")
    assert "what it did" in look.text("#panel").lower()


def test_box_in_the_lineage_leads_to_its_partitions(project: ProjectFolder, driver: Any) -> None:
    project.months(2)
    project.flow("late", "home: {path: data/store/flights, partition: all}\nstore: data/store/l\n")
    look = looked_at(project, driver)

    boxes = "[...document.querySelectorAll('.box-name')].map((each) => each.textContent)"
    assert look.tell(boxes) == ["flights", "late"]
    assert look.tell("document.querySelectorAll('path.is-data').length") == 2
    look.click(".nodes li:last-child .box")
    assert look.tell("document.activeElement.closest('.card').dataset.flow") == "late"


# Served


class Served:
    """A board that is being served."""

    def __init__(self, project: ProjectFolder, *args: str) -> None:
        self.process = project.start("board", "--serve", "--port", "0", *args)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)/", self.line)
        assert match, self.process.communicate(timeout=20)
        self.url, self.port = match[0], int(match[1])

    def get(self, path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def serve(project: ProjectFolder) -> Iterator[Any]:
    started: list[Served] = []

    def begin(*args: str) -> Served:
        started.append(Served(project, *args))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def test_ctrl_c_ends_serving_and_is_no_failure(project: ProjectFolder, serve: Any) -> None:
    project.months(1)
    served = serve()

    assert served.line == f"{served.url}  Ctrl-C ends it\n"
    assert served.get()[0] == 200
    assert served.end() == (0, "", "")


def test_data_has_a_tag_and_is_sent_again_only_when_it_changed(
    project: ProjectFolder, serve: Any
) -> None:
    project.months(1)
    served = serve()
    status, headers, _ = served.get("/data")

    assert status == 200
    time.sleep(1.5)
    assert served.get("/data", **{"If-None-Match": headers["ETag"]})[0] == 304
    project.parquet("data/home/flights/2013-02.parquet")
    time.sleep(2.5)
    assert served.get("/data", **{"If-None-Match": headers["ETag"]})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
    ],
)
def test_page_from_elsewhere_learns_nothing(
    project: ProjectFolder, serve: Any, headers: dict[str, str]
) -> None:
    project.months(1)
    served = serve()

    for path in ("/", "/data"):
        status, _, text = served.get(path, **headers)
        assert (status, text) == (403, "This board is only served locally.\n")


def test_only_the_board_is_served(project: ProjectFolder, serve: Any) -> None:
    project.months(1)
    served = serve()

    for path in ("/dodo.py", "/../dodo.py", "/.doit.db", "//evil"):
        assert served.get(path)[0] == 404
    assert "Access-Control-Allow-Origin" not in served.get()[1]


def test_port_that_is_taken_is_told(project: ProjectFolder, serve: Any) -> None:
    project.months(1)
    served = serve()
    result = project.doit("board", "--serve", "--port", str(served.port))

    assert (result.code, result.out) == (3, "")
    assert result.err == (
        f"error: the page can't be served at port {served.port}: Address already in use\n"
        "  try: let any port do: doit board --serve --port 0\n"
    )


def test_served_page_refreshes_without_losing_what_was_chosen(
    project: ProjectFolder, driver: Any, serve: Any
) -> None:
    project.months(3)
    served = serve()
    look = Look(driver, served.url)
    assert look.text("#headline") == "3 partitions wait to be moved"
    look.run(
        "document.querySelector('#find').value = '2013-0'; "
        "document.querySelector('#find').dispatchEvent(new Event('input'))"
    )
    look.click(".slot[aria-label^='2013-02']")
    assert "None: it has not been moved yet." in look.text("#panel")

    project.doit()
    look.until("document.querySelector('#headline').textContent === 'Everything is up to date'")
    assert look.text("#panel-title") == "2013-02"
    assert "3 rows" in look.text("#panel")
    assert look.tell("document.querySelector('#find').value") == "2013-0"
    assert look.tell("document.activeElement.getAttribute('aria-label')") == "2013-02, up to date"
    assert look.complaints() == []


def test_project_that_breaks_while_it_is_served_is_told_on_the_page(
    project: ProjectFolder, driver: Any, serve: Any
) -> None:
    project.months(1)
    served = serve()
    look = Look(driver, served.url)
    file = project.write("hygge.yml", "defaluts: {}\n")
    look.until("!document.querySelector('#notice').hidden")

    assert "unknown key 'defaluts'" in look.text("#notice")
    assert look.text("#headline") == "1 partition waits to be moved"
    file.unlink()
    look.until("document.querySelector('#notice').hidden")


def test_page_says_when_nobody_serves_it_any_more(
    project: ProjectFolder, driver: Any, serve: Any
) -> None:
    project.months(1)
    served = serve()
    look = Look(driver, served.url)
    served.end()

    look.until("!document.querySelector('#notice').hidden")
    assert look.text("#notice").startswith("Nobody serves this page any more")


def test_killed_run_is_shown_as_interrupted(project: ProjectFolder, driver: Any) -> None:
    project.write(
        "flows/slow.py", "import time\ndef slow(frame):\n    time.sleep(60)\n    return frame\n"
    )
    project.months(1)
    project.flow(
        "flights",
        "home: data/home/flights\nstore: data/store/flights\n"
        "transform: {python: flows/slow.py:slow}\n",
    )
    process = project.start()
    end = time.monotonic() + 30
    while not list((project.root / ".hygge").glob("runs/*/events.jsonl")):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    look = looked_at(project, driver)

    assert look.text(".run-line .badge") == "interrupted"
    assert look.text("#headline") == "1 partition waits to be moved"


def test_board_opens_the_page_in_the_browser(project: ProjectFolder) -> None:
    project.months(1)
    browser = project.write("browser", "#!/bin/sh\nprintf '%s' \"$1\" > opened\n")
    browser.chmod(0o755)
    result = project.doit("board", "--open", BROWSER=f"{browser} %s")

    assert result.code == 0
    end = time.monotonic() + 10
    while not (project.root / "opened").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (project.root / "opened").read_text() == (project.root / ".hygge/board.html").as_uri()


def test_page_is_shipped_with_the_package() -> None:
    folder = Path(__file__).parent.parent / "hygge/board/assets"
    scripts = {each.name for each in folder.glob("*.js")}
    assert scripts == set(SCRIPTS)
