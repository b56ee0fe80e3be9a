"""Lists of pairs on the page: pasted, dropped, mended and looked up."""

from __future__ import annotations

import csv
import io
from base64 import b64encode

import pyarrow as pa
import pytest
from playwright.sync_api import Page, expect
from pyarrow import parquet

from eventindex.pair_lists.text import PairListError, parse_columns, read_pairs
from tests.support.browser import (
    serious_violations,
)
from tests.support.gateway import FILES
from tests.support.web_lists import LIST, paste, row, saved


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
    expect(page.locator(".notice.bad")).to_contain_text("has no events of run 9 at all")
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


# Playwright takes a list of numbers apart one by one: bytes go as text.
DROP_BYTES = DROP.replace("[text]", "[Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]")


def dropped(page: Page, name: str, content: bytes) -> None:
    """Drop a file of these bytes."""
    page.evaluate(DROP_BYTES, [name, b64encode(content).decode()])


@pytest.mark.parametrize(
    ("end", "encoding"), [("\n", "utf-16"), ("\r\n", "utf-8"), ("\r", "utf-16")]
)
def test_a_file_of_any_line_end_is_dropped(page, end, encoding):
    """4,000 pairs have 4,000 answers, whatever ends the lines and encodes them."""
    page.goto("/")
    wanted = [f"{1 + n % 3},{n % 40}" for n in range(4_000)]
    dropped(page, "list.txt", "".join(f"{p}{end}" for p in wanted).encode(encoding))
    page.get_by_role("button", name="Look up 4,000 pairs").click()
    expect(page.get_by_role("heading", name="3,000 events found in 3 RAW files")).to_be_visible()
    _, text = saved(page, page.get_by_role("button", name="Download all (CSV)"))
    assert [",".join(line.split(",")[:2]) for line in text.splitlines()[1:]] == wanted
    page.evaluate(DROP, ["again.csv", text])
    page.get_by_role("button", name="Look up 4,000 pairs").click()
    expect(page.get_by_role("heading", name="3,000 events found in 3 RAW files")).to_be_visible()


def test_a_file_that_only_the_gateway_reads_is_dropped(page):
    """Parquet is looked up whole, by its columns or those that are said; no list is a sentence."""
    out = io.BytesIO()
    parquet.write_table(pa.table({"run": [1, 2], "x": [3, 15], "event": [15, 3]}), out)
    page.goto("/")
    dropped(page, "list.parquet", out.getvalue())
    expect(page.locator("#dropped")).to_contain_text("list.parquet: the gateway reads this file")
    page.get_by_role("button", name="Look up this file").click()
    expect(page.get_by_role("heading", name="2 events found in 2 RAW files")).to_be_visible()
    page.get_by_label("What the columns are").fill("run,event,-")
    page.get_by_role("button", name="Look up this file").click()
    expect(page.get_by_role("heading", name="2 events found in 2 RAW files")).to_be_visible()
    dropped(page, "book.xlsx", b"PK\x03\x04" + bytes(100))
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


def test_a_long_list_has_numbers_and_marks_where_it_is_read(page):
    """The number of a wrong line and its mark are there in a list of thousands of lines too."""
    page.goto("/")
    lines = [f"1 {number}" for number in range(6000)]
    lines[5899] = "1 x"
    area = page.get_by_label("Run and event numbers")
    # As fast as from a file: typing thousands of lines takes a browser a minute.
    put = "(area, text) => { area.value = text; area.dispatchEvent(new Event('input')); }"
    area.evaluate(put, "\n".join(lines))
    expect(page.locator(".numbers .wrong")).to_have_count(0)
    page.locator("#wrong").get_by_role("button", name="Line 5900").click()
    expect(page.locator(".numbers .wrong")).to_have_text("5900")
    expect(page.locator(".marks mark")).to_have_text("1 x")
    seen = page.locator(".numbers .wrong").bounding_box()
    frame = page.locator(".editor").bounding_box()
    assert frame["y"] < seen["y"] < frame["y"] + frame["height"]
