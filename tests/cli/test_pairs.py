"""Pairs as text: in whatever way they are written, exact, or named."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from eventindex.pair_lists.text import parse_block, read_pairs


def pairs_of(text: bytes) -> list[tuple[int, int]]:
    block = parse_block(text, 1)
    return list(zip(block.pairs.runs.tolist(), block.pairs.events.tolist(), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        b"1 2\n3 4\n",
        b"1,2\n3,4\n",
        b"1:2\n3:4\n",
        b"1/2\n3/4\n",
        b"1\t2\r\n3\t4\r\n",
        b"1 , 2\n  3 :4  \n",
        b"run_number,event_number\n1,2\n3,4\n",
        b"Run Event\n1 2\n3 4\n",
        b"# a comment\n\nrun,event\n1,2 # the first\n\n3,4",
        b"0001 2\n3 0004\n",
    ],
)
def test_every_way_to_write_a_pair(text: bytes):
    """All separators, headers, comments, blank lines and line ends mean the same pairs."""
    assert pairs_of(text) == [(1, 2), (3, 4)]
    assert parse_block(text, 1).bad_lines == []


@pytest.mark.parametrize(
    "line",
    [
        "1",
        "1 2 3",
        "a b",
        "-1 2",
        "1.0 2",
        "1,,2",
        "1;2",
        "1e3 2",
        "0x1 2",
        "\u0661 \u0662",
        "1 2,",
        "event,run",
    ],
)
def test_what_is_no_pair_is_named(line: str):
    """A line that is no pair is reported with its number and text; the others are read."""
    block = parse_block(f"5 6\n{line}\n7 8\n".encode(), 11)
    assert block.pairs.runs.tolist() == [5, 7]
    assert [bad.number for bad in block.bad_lines] == [12]
    assert str(block.bad_lines[0]).startswith("line 12: ")


def test_a_header_is_only_the_first_line():
    """A header between pairs is a bad line."""
    assert [bad.number for bad in parse_block(b"1 2\nrun event\n", 1).bad_lines] == [2]
    assert [bad.number for bad in parse_block(b"run event\n1 2\n", 9).bad_lines] == [9]


def test_a_header_below_comments_may_come_later() -> None:
    """Where a comment comes first and the header a moment later, it is a header all the same."""

    class Slow(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return self.readline()

    blocks = list(read_pairs(Slow(b"# a list\nevent run\n2 1\nrun event\n")))
    assert [pair for block in blocks for pair in zip(*block.pairs, strict=True)] == [(1, 2)]
    assert [bad.number for block in blocks for bad in block.bad_lines] == [4]


def test_numbers_are_exact_up_to_the_limit():
    """2^63-1 is read, 2^63 is refused and never rounded; so is a number of 5,000 digits."""
    top = 2**63 - 1
    assert pairs_of(f"{top} {top}\n1 999999999999999999\n".encode()) == [
        (top, top),
        (1, 999999999999999999),
    ]
    for wrong in (str(2**63), "9" * 30, "9" * 5000):
        block = parse_block(f"{wrong} 1\n1 {wrong}\n".encode(), 1)
        assert [bad.reason for bad in block.bad_lines] == ["a number above 2^63-1"] * 2


@pytest.mark.parametrize("irregular", [False, True])
def test_blocks_hold_all_pairs_and_count_lines(irregular: bool):
    """Text of many blocks gives every pair once, and line numbers go on from block to block."""
    rng = random.Random(1)
    wanted = [(rng.randrange(10**6), rng.randrange(10**12)) for _ in range(60_000)]
    separators = [" ", ",", ":", "/"] if irregular else [","]
    lines = [f"{run}{rng.choice(separators)}{event}" for run, event in wanted]
    if irregular:
        lines[5::1000] = [line + " # note" for line in lines[5::1000]]
    text = "\n".join([*lines, "nonsense"]).encode()
    blocks = list(read_pairs(io.BytesIO(text)))
    assert len(blocks) > 2
    runs = np.concatenate([block.pairs.runs for block in blocks])
    events = np.concatenate([block.pairs.events for block in blocks])
    assert list(zip(runs.tolist(), events.tolist(), strict=True)) == wanted
    assert [bad.number for block in blocks for bad in block.bad_lines] == [60_001]


def test_a_file_without_line_ends_is_one_bad_line():
    """Megabytes without a line end are refused without being kept."""
    blocks = list(read_pairs(io.BytesIO(b"1" * 3_000_000)))
    assert [len(block.bad_lines) for block in blocks] == [1]
    assert len(str(blocks[0].bad_lines[0])) < 200


def test_a_header_says_which_column_is_which():
    """Under `event,run` the event number comes first; without a header the run does."""
    blocks = [*read_pairs(io.BytesIO(b"# mine\nevent,run\n4917,12345\n4918,12345\n"))]
    assert [(b.pairs.runs.tolist(), b.pairs.events.tolist()) for b in blocks] == [
        ([12345, 12345], [4917, 4918])
    ]
    assert [block.bad_lines for block in blocks] == [[]]
