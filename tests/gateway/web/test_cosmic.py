"""The page of telescopes: the same hours in all plots and the table, chosen by dragging."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.support.processes import wait_until

HOURS = 6
EACH = 30
# 2026-01-01 00:00 UTC, in seconds since 2000.
BEGIN = 820_540_800
# What is drawn last into each plot, by the id of its place.
DRAWN = """window.drawn = {};
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  const id = this.canvas.closest("[id]")?.id;
  (window.drawn[id] ??= []).push(text);
  draw.call(this, text, ...place);
};"""


def hours_of(page: Page, plot: str) -> list[str]:
    """The hours that the axis of a plot names."""
    texts = page.evaluate(f"window.drawn.{plot} ?? []")
    return sorted({text for text in texts if re.fullmatch(r"\d\d:\d\d", text)})


def drag(page: Page, plot: str, first: float, last: float) -> None:
    """Drag over a part of a plot, from one share of its width to another."""
    over = page.locator(f"#{plot} .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + first * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + last * box["width"], y, steps=5)
    page.mouse.up()


def test_plots_and_table_follow_what_is_dragged(page, publisher, stack):
    """Hours that are dragged over are in the address, in all plots and in the table; and back."""
    records = [
        json.dumps(
            {
                "RunNumber": 6100,
                "EventNumber": hour * EACH + n,
                "Timestamp": BEGIN + hour * 3600 + n * 100,
                "TriggerBits": 1 if hour < 3 else 2,
                "TDC": {"0": {"Data": [100 + hour]}, **({"1": {"Data": [7]}} if hour > 2 else {})},
            }
        )
        for hour in range(HOURS)
        for n in range(EACH)
    ]
    publisher.publish(stack.topics.cosmic("31"), *records)
    publisher.flush()
    stored = "/api/v1/cosmic/counts?detector=31"
    wait_until(lambda: page.request.get(stored).json().get("total") == len(records), what="records")
    page.add_init_script(DRAWN)
    page.goto("/cosmic?detector=31")
    all_there = f"{HOURS * EACH} events of {HOURS * EACH}"
    expect(page.locator("#events")).to_contain_text(all_there)
    shown = page.locator("#shown_hours")
    expect(shown).to_contain_text("2026-01-01 00:00 to 2026-01-01 06:00 UTC")
    expect(page.locator("#events").get_by_role("row")).to_have_count(101)
    page.locator("#events").get_by_role("button", name="Show more").click()
    expect(page.locator("#events").get_by_role("row")).to_have_count(181)
    wait_until(lambda: hours_of(page, "channels"), what="the second plot")
    assert hours_of(page, "hours") == hours_of(page, "channels")
    expect(page.locator("#triggers").get_by_role("row")).to_have_count(3)
    drag(page, "hours", 0.1, 0.4)
    expect(page).to_have_url(re.compile("time_first=2026-01-01T00%3A3.*time_last=2026-01-01T02"))
    # Until 02:24: the second bit and the second channel came later.
    expect(page.locator("#triggers").get_by_role("row")).to_have_count(2)
    expect(page.locator("#hits").get_by_role("row")).to_have_count(2)
    rows = page.locator("#events").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("2026-01-01 00:3")
    expect(rows.last).to_contain_text("2026-01-01 02:2")
    page.evaluate("window.drawn = {}")
    page.reload()
    wait_until(lambda: hours_of(page, "channels"), what="the second plot")
    assert hours_of(page, "hours") == hours_of(page, "channels")
    assert not {"04:00", "05:00"} & set(hours_of(page, "hours"))
    page.get_by_role("button", name="All hours").click()
    expect(page.locator("#events")).to_contain_text(all_there)
