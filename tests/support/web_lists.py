"""What the tests of lists on the page share."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page

# Run 1, event 0 is the one in conflict.
LIST = "# my events\n1 0\n1,15\n2:1\n2 x\n9/9\n1 99999999999999999999\n"


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


NUMBER = re.compile(r"[\d,]+")
