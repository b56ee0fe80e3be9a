"""The web page in Chromium, used as people use it, over real services."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from pyarrow import parquet

import eventindex
from eventindex.columns import EventColumns
from eventindex.pair_lists.text import PairListError, parse_columns, read_pairs
from eventindex.results import RawFile
from tests.support.browser import (
    WebStack,
    chromium,
    make_token,
    reader,
    serious_violations,
    web_stack,
)
from tests.support.gateway import DUMP, FILES, database
from tests.support.ingest import FUID, Publisher, json_event
from tests.support.processes import wait_until

PAGES = {
    "lookup": "/#1:0,1:15,2:1,9:9",
    "runs": "/runs",
    "run": "/runs/1",
    "datasets": "/datasets",
    "dataset": "/datasets/7",
    "file": f"/files/{FILES[0]}",
    "live": "/live",
    "cosmic": "/cosmic",
    "conflicts": "/conflicts",
    "dead letters": "/dead-letters",
}
WORDS = Path(__file__).parents[2] / "rest_gateway" / "web" / "texts"
# Run 1, event 0 is the one in conflict.
LIST = "# my events\n1 0\n1,15\n2:1\n2 x\n9/9\n1 99999999999999999999\n"


# A busy machine takes its time.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def stack(postgres, _template, mosquitto) -> Iterator[WebStack]:
    with database(postgres, _template) as url, web_stack(url, mosquitto.url) as running:
        yield running


@pytest.fixture(scope="module")
def publisher(mosquitto) -> Iterator[Publisher]:
    sender = Publisher(mosquitto.port)
    yield sender
    sender.close()


@pytest.fixture
def page(browser, stack) -> Iterator[Page]:
    """A page of a reader with a desktop."""
    size = {"width": 1280, "height": 900}
    clipboard = ["clipboard-read", "clipboard-write"]
    with reader(browser, stack.url, viewport=size, permissions=clipboard) as opened:
        yield opened


def saved(page: Page, pressed: Locator) -> tuple[str, str]:
    """Name and text of the file that pressing something saves."""
    with page.expect_download() as download:
        pressed.click()
    return download.value.suggested_filename, Path(download.value.path()).read_text()


def row(page: Page, text: str) -> Locator:
    """The row of a table that holds a text."""
    return page.get_by_role("row").filter(has_text=text).first


def paste(page: Page, text: str) -> None:
    """Put a text into the clipboard and paste it into the list."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.get_by_label("Run and event numbers").press("Control+V")


def test_a_list_is_pasted_mended_and_looked_up(page):
    """Wrong lines are marked before sending; what is missing or in conflict stands out."""
    page.goto("/")
    expect(page.get_by_role("button", name="Look up")).to_be_disabled()
    paste(page, LIST)
    wrong = page.locator("#wrong")
    expect(wrong).to_contain_text("2 lines are not pairs")
    expect(wrong).to_contain_text("Line 5: not a run and an event number: 2 x")
    expect(wrong).to_contain_text("Line 7: a number above 2^63-1")
    expect(page.locator(".numbers .wrong")).to_have_text(["5", "7"])
    expect(page.locator("#left_out")).to_have_text("2 wrong lines are left out")
    wrong.get_by_role("button", name="Line 5").click()
    page.keyboard.type("3 29")
    wrong.get_by_role("button", name="Line 7").click()
    page.keyboard.press("Delete")
    expect(wrong).to_be_hidden()
    page.get_by_role("button", name="Look up 5 pairs").click()
    heading = page.get_by_role("heading", name="4 events found in 3 RAW files")
    expect(heading).to_be_focused()
    expect(page.locator(".notice.bad")).to_contain_text("1 event is not in the index: 9:9")
    expect(page.locator(".notice.warn").last).to_contain_text("1 event is in conflict")
    expect(row(page, FILES[0])).to_contain_text("2")
    name, text = saved(page, page.get_by_role("button", name=f"Download the pairs {FILES[0]}"))
    assert (name, text) == (f"{FILES[0]}.csv", "run_number,event_number\n1,0\n2,1\n")
    page.get_by_role("button", name="By pair").click()
    expect(row(page, "9")).to_be_visible()
    expect(page.get_by_role("row").nth(5)).to_contain_text("not found")
    expect(page.get_by_role("row").nth(1)).to_contain_text("conflict")
    name, text = saved(page, page.get_by_role("button", name="Download all (CSV)"))
    answers = list(csv.DictReader(text.splitlines()))
    assert [each["fuid_raw"] for each in answers] == [FILES[0], FILES[1], FILES[0], FILES[2], ""]


def test_a_small_list_has_a_link(page):
    """Whoever opens the copied link sees the same list and its answers."""
    page.goto("/")
    paste(page, "1 15\n2 15\n")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Copy a link to this list").click()
    expect(page.locator("#status")).to_have_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    other = page.context.new_page()
    other.goto(link)
    expect(other.get_by_role("heading", name="2 events found in 1 RAW file")).to_be_visible()
    expect(other.get_by_label("Run and event numbers")).to_have_value("1:15\n2:15")


DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  for (const kind of ["dragover", "drop"])
    document.getElementById("lookup").dispatchEvent(
      new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_file_is_dropped(page):
    """A short file can be edited; a long one is looked up whole, its wrong lines named."""
    page.goto("/")
    page.evaluate(DROP, ["short.csv", "run,event\n1,15\n"])
    expect(page.get_by_label("Run and event numbers")).to_have_value("run,event\n1,15\n")
    long = "".join(f"{1 + n % 3} {n % 40}\n" for n in range(60_000))
    page.evaluate(DROP, ["long.txt", f"{long}1;1\n"])
    expect(page.locator("#dropped")).to_have_text("long.txt: 60,000 pairs")
    expect(page.locator("#wrong")).to_contain_text("Line 60001: not a run and an event number: 1;1")
    page.get_by_role("button", name="Look up 60,000 pairs").click()
    expect(page.get_by_role("heading", name="45,000 events found in 3 RAW files")).to_be_visible()
    expect(page.locator(".notice.bad")).to_contain_text("15,000 events are not in the index")
    _, text = saved(page, page.get_by_role("button", name="Download all (CSV)"))
    assert len(text.splitlines()) == 1 + 60_000 + 1


DROP_BYTES = DROP.replace("[text]", "[Uint8Array.from(text)]")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_of_any_line_end_is_dropped(page, end, encoding):
    """20,000 pairs have 20,000 answers, whatever ends the lines and encodes them."""
    page.goto("/")
    wanted = [f"{1 + n % 3},{n % 40}" for n in range(20_000)]
    page.evaluate(
        DROP_BYTES, ["list.txt", list("".join(f"{p}{end}" for p in wanted).encode(encoding))]
    )
    page.get_by_role("button", name="Look up 20,000 pairs").click()
    expect(page.get_by_role("heading", name="15,000 events found in 3 RAW files")).to_be_visible()
    _, text = saved(page, page.get_by_role("button", name="Download all (CSV)"))
    assert [",".join(line.split(",")[:2]) for line in text.splitlines()[1:]] == wanted
    page.evaluate(DROP, ["again.csv", text])
    page.get_by_role("button", name="Look up 20,000 pairs").click()
    expect(page.get_by_role("heading", name="15,000 events found in 3 RAW files")).to_be_visible()


def test_a_file_that_only_the_gateway_reads_is_dropped(page):
    """Parquet is looked up whole, by its columns or those that are said; no list is a sentence."""
    out = io.BytesIO()
    parquet.write_table(pa.table({"run": [1, 2], "x": [3, 15], "event": [15, 3]}), out)
    page.goto("/")
    page.evaluate(DROP_BYTES, ["list.parquet", list(out.getvalue())])
    expect(page.locator("#dropped")).to_contain_text("list.parquet: the gateway reads this file")
    page.get_by_role("button", name="Look up this file").click()
    expect(page.get_by_role("heading", name="2 events found in 2 RAW files")).to_be_visible()
    page.get_by_label("What the columns are").fill("run,event,-")
    page.get_by_role("button", name="Look up this file").click()
    expect(page.get_by_role("heading", name="2 events found in 2 RAW files")).to_be_visible()
    page.evaluate(DROP_BYTES, ["book.xlsx", [*b"PK\x03\x04", *bytes(100)]])
    page.get_by_role("button", name="Look up this file").click()
    expect(page.get_by_role("alert")).to_contain_text("a workbook of a spreadsheet, not a list")


def test_three_numbers_ask_for_the_columns(page):
    """A list of run:lumi:event is marked, a field for its columns comes, and then it is read."""
    page.goto("/")
    columns = page.get_by_label("What the columns are")
    expect(columns).to_be_hidden()
    page.get_by_label("Run and event numbers").fill("1:17:15\n2:18:15\n")
    expect(page.locator("#wrong")).to_contain_text("Line 1: more than two columns: 1:17:15")
    columns.fill("run,lumi")
    expect(columns).to_have_attribute("aria-invalid", "true")
    columns.fill("run,-,event")
    expect(page.locator("#wrong")).to_be_hidden()
    assert serious_violations(page) == []
    page.get_by_role("button", name="Look up 2 pairs").click()
    expect(page.get_by_role("heading", name="2 events found in 1 RAW file")).to_be_visible()


NUMBER = re.compile(r"[\d,]+")
LINES = [
    *("1 2", "1,2", "1:2", "1/2", " 1\t2 ", "1 , 2", "\x0b1\x0c2", "1\xa02", "1;2", "1 2 3", "1"),
    *("-1 2", "1.0 2", "\u0661 2", f"{2**63 - 1} 0", f"{2**63} 0", f"0 {2**63}", "0" * 30 + "1 2"),
    *("1 2 # why", "#", "", "run event", "a b", "+1 2", "1__2", "1_0 2", "é 1", '"1","2"', "0x1 2"),
    *("1e3 2", "1,,2", "1:2:3", "'1' 2", '"1";"2"', '"1, 2"', "1 2 3 4", '"a,b",1', "[1, 2]"),
    *("", "a,1,2", ",,", '""', '"', '"1', '1"2', "\t1\t2", "5, \"6\"", " \xa01,\xa02 "),
]  # fmt: skip
WIDE = [
    "1,2,3",
    "1,2",
    '"a,b",2,3',
    "a#b,1,2",
    "1,2#,3",
    "1;2,5;3",
    "1 2 3",
    "a\t1\t2",
    "1:2:3",
    "1,2,3,4",
]
TEXTS = [
    "\n".join(LINES),
    "run event\n1 2\nrun event",
    "# a comment\n\nEVENT_NUMBER,RUN_NUMBER\r\n1,2\r\nx\r\n",
    '\ufeff"run","event"\n1,2',
    "9" * 70_000 + " 1\n1 1",
    "",
    *(
        "\r".join([header, *WIDE])
        for header in (
            ",run,event",
            "RunNumber;mass;evt",
            "sep=;\rmass;run;event",
            "\trun\tevent",
            "run lumi event",
            "run:ls:event",
            "Lauf,L,Ereignis",
            "run,event,run_number",
            "a list of run and event numbers",
        )
    ),
    '[\n{"run":1,"event":12345678901234567},\n{"event_number":2,"run_number":-1},\n{"run":1}\n]',
    '{"run_number": 1, "event_number": 5, "x": "#"}\n{"error": 1}\n5 6\n',
]
REASONS = {
    "shape": "not a run and an event number",
    "range": "a number above 2^63-1",
    "columns": "says which two count",
    "width": "where the header has",
}


@pytest.mark.parametrize("columns", ["", "run,-,event", "-,event,run", "event,run"])
def test_the_page_reads_lists_as_the_gateway_does(page, columns):
    """What the page marks is what the gateway would refuse, line by line."""
    page.goto("/")
    reading = """async ([text, columns]) => {
      const { parseColumns } = await import('/assets/lib/columns.js');
      return (await import('/assets/lib/pairs.js')).readPairs(text, parseColumns(columns));
    }"""
    for text in TEXTS:
        shown = page.evaluate(reading, [text, columns])
        by_hand = parse_columns(columns) if columns else None
        # A NUL of a text is for the gateway alone, and so is a header that says something twice.
        try:
            blocks = list(read_pairs(io.BytesIO(text.encode()), by_hand))
        except PairListError:
            assert [each["reason"] for each in shown["wrong"]] == ["twice"]
            continue
        bad = [line for block in blocks for line in block.bad_lines]
        assert shown["pairs"] == sum(len(block.pairs.runs) for block in blocks)
        assert [each["line"] for each in shown["wrong"]] == [line.number for line in bad]
        for each, line in zip(shown["wrong"], bad, strict=True):
            assert REASONS[each["reason"]] in line.reason


def test_runs_are_sorted_filtered_and_opened(page):
    """From the list of runs to a run: its files, trigger counts, overlaps and gaps."""
    page.goto("/runs")
    expect(page.get_by_role("row")).not_to_have_count(1)
    page.get_by_role("button", name="Run", exact=True).click()
    first = page.get_by_role("row").nth(1)
    expect(first).to_contain_text("1")
    expect(page.get_by_role("columnheader", name="Run", exact=True)).to_have_attribute(
        "aria-sort", "ascending"
    )
    page.get_by_role("button", name="Run", exact=True).click()
    expect(first).to_contain_text(str(2**63 - 1))
    page.get_by_label("From run").fill("2")
    page.get_by_label("To run").fill("3")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="2", exact=True).click()
    expect(page.get_by_role("heading", name="Run 2")).to_be_visible()
    expect(page.locator("#files").get_by_role("row")).to_have_count(4)
    triggers = page.locator("#triggers").get_by_role("row")
    # Events 0 to 29 have their own number as mask: 15 are odd.
    expect(triggers.nth(1)).to_contain_text("15")
    expect(triggers.nth(1)).to_contain_text("50%")
    expect(page.locator("#overlaps td").first).to_have_text("15")
    expect(page.locator("#gaps")).to_contain_text("No event number is missing.")
    name, text = saved(page, page.get_by_role("link", name="Download the events (CSV)"))
    assert (name, len(text.splitlines())) == ("run-2.csv", 31)


def test_what_was_asked_last_is_shown(page):
    """An answer that comes late does not take the place of what was asked for after it."""
    held: list[Route] = []
    hold_first = "**/api/v1/runs?*"
    page.route(hold_first, lambda route: route.continue_() if held else held.append(route))
    page.goto("/runs")
    page.get_by_label("From run").fill("2")
    page.get_by_label("To run").fill("2")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    with page.expect_response(hold_first) as late:
        held[0].continue_()
    late.value.finished()
    page.evaluate("fetch('/api/v1/runs').then((answer) => answer.text())")
    expect(page.get_by_role("row")).to_have_count(2)


def test_a_reversed_range_of_runs_is_not_sent(page):
    """The field says what is wrong; what is shown stays until there is an answer to show."""
    page.goto("/runs")
    expect(page.locator("#chart canvas")).to_be_visible()
    page.get_by_label("From run").fill("3")
    page.get_by_label("To run").fill("2")
    with_message = "field => field.validationMessage"
    assert page.get_by_label("To run").evaluate(with_message) == (
        "The last run, 2, is below the first, 3."
    )
    page.get_by_label("From run").fill("2")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_label("To run").fill(str(2**63))
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("alert")).to_contain_text(str(2**63))
    expect(page.locator("#chart")).to_be_hidden()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


DRAWN = """window.drawn = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  window.drawn.push(text);
  draw.call(this, text, ...place);
};"""


def test_a_chart_of_one_moment_shows_seconds_and_the_day(page):
    """A lone point has seconds on both sides of it, not years; the axis says which day, in UTC."""
    page.add_init_script(DRAWN)
    page.goto("/runs")
    expect(page.locator("#chart canvas")).to_be_visible()
    page.get_by_label("From run").fill("2")
    page.get_by_label("To run").fill("2")
    page.evaluate("window.drawn.length = 0")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    day_and_zone = "window.drawn.some((text) => text.endsWith(' UTC'))"
    wait_until(lambda: page.evaluate(day_and_zone), what="the axis")
    texts = page.evaluate("window.drawn")
    assert len({text for text in texts if re.fullmatch(r"\d\d:\d\d:\d\d", text)}) > 5
    page.goto("/cosmic")
    wait_until(lambda: page.evaluate("window.drawn.includes('2019-09-19 UTC')"), what="the day")


def test_what_is_not_there_is_said_once(page):
    """A run and a dataset that the index does not have: one sentence, no empty sections."""
    for address in ("/runs/424242", "/datasets/424242"):
        page.goto(address)
        expect(page.get_by_role("alert")).to_have_count(1)
        expect(page.get_by_role("alert")).to_contain_text("424242")
        expect(page.locator("main section:visible")).to_have_count(0)


def test_gaps_of_a_run_are_named(page, publisher, stack):
    """How many event numbers are missing, and where the widest gaps are."""
    publisher.publish(stack.topics.json, *(json_event(70, event) for event in (1, 2, 10, 12)))
    publisher.flush()
    page.goto("/runs/70")
    wait_until(lambda: page.reload() and page.locator("#gaps table").count(), what="run 70")
    expect(page.locator("#gaps")).to_contain_text("8 event numbers are missing in 2 gaps")
    expect(page.locator("#gaps").get_by_role("row").nth(1)).to_have_text("397")


def test_the_live_page_moves(page, publisher, stack):
    """Counts, rate, last events and reasons change while events are published."""
    page.goto("/live")
    received = page.locator("#count_received")
    expect(received).to_have_text(NUMBER)
    before = int(received.inner_text().replace(",", ""))
    publisher.publish(stack.topics.json, *(json_event(71, event) for event in range(1, 201)))
    publisher.publish(stack.topics.json, json_event(-1, 1))
    expect(received).to_have_text(f"{before + 201:,}")
    expect(row(page, "71")).to_contain_text(FUID)
    expect(page.locator("#reasons")).to_contain_text("out of range")
    expect(page.locator("#rate")).to_have_text(NUMBER)
    expect(page.locator("#chart canvas")).to_be_visible()


def test_telescope_records_are_shown_as_they_came(page):
    """A detector's events with time, TDC values and bits, and the line that it sent."""
    page.goto("/cosmic")
    events = page.locator("#events")
    expect(events.get_by_role("row")).to_have_count(4)
    expect(events).to_contain_text("3 events of 3")
    expect(events.get_by_role("row").nth(1)).to_contain_text("0, 1, 2, 6")
    expect(page.locator("#tdc canvas")).to_be_visible()
    events.get_by_text("Record, repaired").first.click()
    events.get_by_role("button", name="Copy as it came").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    # The firmware's line opens with a bracket, which is repaired and said so.
    assert copied == "{" + DUMP.read_text().splitlines()[0].strip()[1:]


def test_telescope_records_without_some_fields_are_shown(page, publisher, stack):
    """A record without block, time, bits or values stands beside one that has them."""
    full = {"CosmicBlock": 1, "Timestamp": 622234535, "TriggerBits": 5, "TDC": {"0": {"Data": 5}}}
    records = [{"RunNumber": 5000, "EventNumber": n} | more for n, more in enumerate([full, {}])]
    publisher.publish(stack.topics.cosmic("30"), *map(json.dumps, records))
    publisher.flush()
    page.goto("/cosmic?detector=30")
    events = page.locator("#events")
    counted = lambda: page.reload() and events.get_by_text("2 events of 2").count()  # noqa: E731  # asked twice
    wait_until(counted, what="both records")
    expect(events.get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "pt", "ru"])
def test_each_failure_has_words_of_its_own(browser, stack, language):
    """A failure, an absence and a silence of the index read differently, in each language."""
    said = {}
    with reader(browser, stack.url, locale=language) as page:
        for status in (502, 503, 504):
            page.unroute_all()
            page.route("**/api/v1/runs*", lambda route, _, code=status: route.fulfill(status=code))
            page.goto("/runs")
            said[status] = page.get_by_role("alert").locator("p").first.inner_text()
    texts = json.loads((WORDS / f"{language}.json").read_text("utf-8"))
    names = {502: "error.failed", 503: "error.away", 504: "error.late"}
    assert said == {status: texts[name] for status, name in names.items()}
    assert len(set(said.values())) == 3


def test_a_conflict_is_decided(page, publisher, stack):
    """An administrator sees both values, what differs is marked, and replaces one."""
    publisher.publish(stack.topics.json, json_event(72, 1, olt=1), json_event(72, 1, olt=4))
    publisher.flush()
    page.goto("/conflicts?run=72")
    wait_until(lambda: page.reload() and page.get_by_role("button", name="Replace 72:1").count())
    expect(page.locator("mark")).to_have_text(["Trigger bits: 0", "Trigger bits: 2"])
    page.get_by_role("button", name="Replace 72:1").click()
    page.get_by_label("Who decides").fill("a shifter")
    page.get_by_role("dialog").get_by_role("button", name="Replace").click()
    expect(page.locator("#outcome")).to_have_text("The conflict of 72:1 is decided.")
    expect(page.locator("#conflicts")).to_contain_text("There are no conflicts.")
    page.get_by_label("with those that are decided").check()
    expect(row(page, "72")).to_contain_text("replaced a shifter")
    page.goto("/#72:1")
    page.get_by_role("button", name="By pair").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("2")


def test_dead_letters_are_read_replayed_and_discarded(page, publisher, stack):
    """What was refused can be read; what is sent again is counted; what is discarded is gone."""
    topic = stack.topics.json.replace("/x", f"/{uuid.uuid4().hex}")
    publisher.publish(topic, "nonsense {")
    publisher.flush()
    page.goto("/dead-letters")
    page.get_by_role("textbox", name="Topic").fill(topic)
    filter_button = page.get_by_role("button", name="Filter")
    wait_until(lambda: filter_button.click() or page.get_by_text(topic).count(), what="letter")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_role("dialog").locator("pre")).to_have_text("nonsense {")
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Send again").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(page.locator("#outcome")).to_contain_text("was sent again: 0 new")
    page.get_by_role("button", name="Discard").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator("#outcome")).to_contain_text("is gone")


def test_languages(browser, stack):
    """The browser's language is spoken, another can be chosen, and the choice stays."""
    with reader(browser, stack.url, locale="ru-RU") as page:
        page.goto("/#1:15,1:16")
        expect(page.locator("html")).to_have_attribute("lang", "ru")
        expect(page.get_by_role("heading", name="Найдено 2 события в 1 файле RAW")).to_be_visible()
        page.get_by_label("Язык").select_option("pt")
        expect(page.get_by_role("heading", name="Em qual arquivo RAW")).to_be_visible()
        page.goto("/runs")
        expect(page.get_by_role("heading", name="Corridas", exact=True)).to_be_visible()


def test_light_and_dark(browser, stack):
    """The system's choice holds until the reader makes one, which stays."""
    with reader(browser, stack.url, color_scheme="dark") as page:
        page.goto("/runs")
        colour = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(colour)
        page.get_by_label("Light or dark").select_option("light")
        light = page.evaluate(colour)
        assert dark != light
        page.goto("/datasets")
        assert page.evaluate(colour) == light


def test_the_keyboard_is_enough(page):
    """From the address bar to the answers, another view and a run, without a pointer."""
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Run and event numbers")).to_be_focused()
    page.keyboard.type("3 15")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Look up 1 pair")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="1 event found in 1 RAW file")).to_be_focused()
    tab_to(page, page.get_by_role("button", name="By pair"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="3", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Run 3")).to_be_visible()


def tab_to(page: Page, wanted: Locator, presses_max: int = 12) -> None:
    """Press Tab until something has the focus."""
    for _ in range(presses_max):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"{presses_max} tabs do not lead to {wanted}")


def test_an_index_that_is_away_is_told_in_words(page, stack):
    """The page says so, and goes on by itself once the index is back."""
    page.goto("/")
    stack.index.kill()
    paste(page, "1 15")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("The index is away")
    stack.index.start()
    expect(page.get_by_role("heading", name="1 event found")).to_be_visible(timeout=30_000)


WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_every_page_is_open_to_everyone(browser, stack, width, scheme):
    """No serious violation on a desk or a phone, and nothing is wider than the screen."""
    size = {"width": width, "height": 900}
    with reader(browser, stack.url, viewport=size, color_scheme=scheme) as page:
        troubles = []
        for name, address in PAGES.items():
            page.goto(address)
            expect(page.locator("[aria-busy]")).to_have_count(0)
            assert page.evaluate(WIDER) <= 0, f"{name} at {width}"
            troubles += serious_violations(page)
        assert not troubles, json.dumps(troubles, indent=1)


def test_a_token_is_asked_for_and_kept_for_the_tab(browser, database_url, mosquitto):
    """Without a token nothing is shown; one opens what its scope says, downloads too."""
    url = database_url
    with ExitStack() as running:
        stack = running.enter_context(web_stack(url, mosquitto.url, require_tokens=True))
        with eventindex.connect(
            stack.index.address, ingest_address=stack.ingest.address, token=make_token(url, "admin")
        ) as client:
            list(client.ingest([EventColumns([RawFile(FILES[0], 7)], 1, [1, 2], [1, 1])]))
        size = {"width": 390, "height": 900}
        page = running.enter_context(reader(browser, stack.url, viewport=size))
        page.goto("/runs/1")
        expect(page.locator("#facts")).to_have_text("A valid token is needed.")
        assert page.evaluate(WIDER) <= 0
        assert serious_violations(page) == []
        give_token(page, make_token(url, "lookup"))
        expect(page.locator("#facts")).to_contain_text("Last event2")
        expect(page.locator("#files")).to_contain_text(FILES[0])
        expect(page.locator("#token")).to_be_hidden()
        _, text = saved(page, page.get_by_role("link", name="Download the events (CSV)"))
        assert len(text.splitlines()) == 3
        page.goto("/live")
        expect(page.locator("#last")).to_contain_text(FILES[0])
        page.goto("/dead-letters")
        expect(page.locator("#letters")).to_have_text("Your token does not allow this.")
        give_token(page, make_token(url, "admin"))
        expect(page.locator("#letters")).to_have_text("There are no dead letters.")
        page.get_by_role("button", name="Token").click()
        page.get_by_role("button", name="Forget it").click()
        expect(page.locator("#letters")).to_have_text("A valid token is needed.")


def give_token(page: Page, token: str) -> None:
    """Fill in the form that asks for a token."""
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Use this token").click()
