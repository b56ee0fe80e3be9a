"""Lists of pairs as people have them: line ends, columns, encodings, compression, tables."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute  # long text is read by it where it is loaded
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventindex.pair_lists.text import PairListError, parse_columns, read_pairs
from tests.support.pair_lists import read, refusal

LINE_END = re.compile(r"\r\n|\r|\n")
TOP = 2**63 - 1
# Line ends

CONTENTS = st.one_of(
    st.builds(
        lambda run, between, event: f"{run}{between}{event}",
        st.integers(0, TOP),
        st.sampled_from([" ", ",", ":", "/", "\t", " , "]),
        st.integers(0, TOP),
    ),
    st.sampled_from(["", "# note", "nonsense", "1 2 3", "1", "1 2 # why", '"1","2"', "é 1"]),
)


@given(
    lines=st.lists(st.tuples(CONTENTS, st.sampled_from(["\n", "\r\n", "\r"])), max_size=40),
    last=CONTENTS,
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]),
    packed=st.booleans(),
)
def test_every_line_is_answered_or_named(lines, last, sizes, encoding, packed):
    """Whatever the line ends, blocks and encodings: each pair once and in order, the rest named."""
    text = "".join(content + end for content, end in lines) + last
    if encoding == "utf-16-be":
        # Without a mark it is told by plain characters at the beginning.
        text = f"# a list\n{text}"
    pairs, wrong = [], []
    for number, line in enumerate(LINE_END.split(text), 1):
        found = re.fullmatch(r'\s*"?(\d+)"?\s*[\s,:/]\s*"?(\d+)"?\s*(#.*)?', line)
        if found:
            pairs.append((int(found[1]), int(found[2])))
        elif line.partition("#")[0].strip():
            wrong.append(number)
    data = text.encode(encoding)
    found, bad = read(gzip.compress(data) if packed else data, sizes=sizes)
    assert found == pairs
    assert [line.number for line in bad] == wrong


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\r"])
@pytest.mark.parametrize("size", [1_000_000, 262_144, 65_536, 7919])
def test_long_lists_with_every_line_end(end: str, size: int):
    """A list of many blocks is whole with every line end, also where a block ends within one."""
    wanted = [(n % 7, n) for n in range(60_000)]
    text = end.join(f"{run} {event}" for run, event in wanted) + f"{end}last"
    pairs, bad = read(text.encode(), sizes=[size])
    assert pairs == wanted
    assert [line.number for line in bad] == [
        text.count("\n\r") + 60_001 if end == "\n\r" else 60_001
    ]


# Columns


@pytest.mark.parametrize(
    "header",
    [
        "run,event", "Run,Event", '"run","event"', "RUN_NUMBER,EVENT_NUMBER", "RunNumber, evt",
        "runNumber,eventNumber", "run,lumi,event", "run,event,mass", ",run,event", "event,run",
        "mass,EventNumber,ls,RunNumber", "'run','event','x'",
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_header_names_the_columns(header: str, delimiter: str, quoted: bool):
    """Any case, quotes and delimiter; the other columns are passed over."""
    names = [name.strip(" \"'").lower().replace("_", "") for name in header.split(",")]
    rows = []
    for run, event in ((1, 2), (TOP, 4)):
        values = {"run": run, "runnumber": run, "event": event, "eventnumber": event, "evt": event}
        cells = [str(values.get(name, "a;b" if delimiter == "," else "3,5")) for name in names]
        rows.append(delimiter.join(f'"{cell}"' if quoted else cell for cell in cells))
    text = "\r\n".join([header.replace(",", delimiter), *rows])
    assert read(text.encode()) == ([(1, 2), (TOP, 4)], [])


def test_a_row_of_another_width_is_named():
    """Where a row has not the columns of the header, nothing is guessed."""
    pairs, bad = read(b"mass;run;event\n3,5;1;2\n3;5;1;2\n1;2\n")
    assert pairs == [(1, 2)]
    assert [str(line) for line in bad] == [
        "line 3: 4 columns, where the header has 3: 3;5;1;2",
        "line 4: 2 columns, where the header has 3: 1;2",
    ]


def test_a_comma_table_with_texts_is_read_in_bulk_and_line_by_line():
    """Quotes, comments and long numbers between regular rows change nothing."""
    rows = [f"x{n},{n},{n * 3},y" for n in range(30_000)]
    rows[100:] = [f'"a, b",{TOP},5,', "# a comment", *rows[100:]]
    pairs, bad = read("\n".join(["name,run,event,z", *rows]).encode())
    assert len(pairs) == 30_001
    assert pairs[100] == (TOP, 5)
    assert (pairs[101], pairs[-1], bad) == ((100, 300), (29_999, 89_997), [])


def test_three_numbers_need_a_word():
    """run:lumi:event is read with run,-,event, and without it is named with what to do."""
    for text in (b"1:17:2\n3:18:4\n", b"1 17 2\n3 18 4\n", b"1,17,2\n3,18,4", b"1;17;2\r3;18;4\r"):
        assert read(text, "run,-,event") == ([(1, 2), (3, 4)], [])
        assert read(text, "event,-,run") == ([(2, 1), (4, 3)], [])
        pairs, bad = read(text)
        assert pairs == []
        assert [line.field for line in bad] == ["columns"] * 2
        assert "3 columns: columns=run,-,event says" in str(bad[0])
    assert read(b"run:lumi:event\n1:17:2\n") == ([(1, 2)], [])


def test_columns_said_by_hand_are_stronger_than_a_header():
    """A header is passed over, in any language; lines with too few columns are named."""
    pairs, bad = read(b"Lauf;Block;Ereignis\n1;17;2\n1;2\n", "run,-,event")
    assert (pairs, [line.number for line in bad]) == ([(1, 2)], [3])
    assert read(b"event,run\n1,2\n", "run,event") == ([(1, 2)], [])


@pytest.mark.parametrize("words", ["run", "run,run,event", "run,lumi,event", "", "run,,event"])
def test_columns_that_make_no_sense(words: str):
    """A word for the columns is refused with what it should be like."""
    with pytest.raises(ValueError, match=r"run,-,event"):
        parse_columns(words)


def test_two_columns_for_one_number_are_refused():
    """Which of two is meant is not guessed."""
    assert "'run' and 'run_number'" in refusal(b"run,run_number,event\n1,2,3\n")


def test_json_lines():
    """The objects that `events` and the REST API write go in, alone or in an array."""
    lines = b'{"run_number": 1, "event_number": 2, "fuid_raw": "#"}\n{"error": {}}\n'
    pairs, bad = read(lines)
    assert (pairs, [line.number for line in bad]) == ([(1, 2)], [2])
    assert read(b'[\n{"run":1,"event":2},\n{"event":4,"run":3}\n]\n') == ([(1, 2), (3, 4)], [])


# What may stand in a list of thousands of objects.
ODD_OBJECTS = (
    *(b'{"run_number":%s,"event_number":2}' % value for value in (b"1.0", b"1e3", b"true", b"-1")),
    *(b'{"run_number":%s,"event_number":2}' % value for value in (b"null", b'"1"', b"01", b"-0")),
    b'{"run_number":9223372036854775807,"event_number":9223372036854775808}',
    b'{"event_number":5,"run_number":4}',
    b'{"run_number":1,"run_number":3,"event_number":2}',
    b'{"run_number":1,"event_number":2,"lumi":3}',
    b'{"run_number":1,"event_number":2} {"run_number":1,"event_number":3}',
    b'{"run_number":1,"event_number":2,"note":"' + b"x" * 70_000 + b'"}',
    b'{"run_number":1,"event_number":2}, # note',
    b'{"run_number":1}',
    b"# note",
    b"",
    b"[1,2]",
)


@pytest.mark.parametrize("end", [b"\n", b",\n", b"\r\n"])
@pytest.mark.parametrize("odd", ODD_OBJECTS)
def test_long_json_lines(odd: bytes, end: bytes, monkeypatch: pytest.MonkeyPatch):
    """Read as a whole or line by line, objects give the same pairs and the same bad lines."""
    usual = [b'{"run_number":7,"event_number":%d}' % event for event in range(100)]
    lines = [*usual[:50], odd, *usual[50:]]
    text = b"".join(line + end for line in lines)
    found = read(text)
    monkeypatch.setattr("eventindex.pair_lists.lines.read_objects", lambda *_: None)
    assert found == read(text)
    assert len(found[0]) >= len(usual)


# Encodings and what is no text


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8"]
)
def test_encodings(encoding: str):
    """With and without a mark, the text is the same, and so are the numbers of its lines."""
    text = "run,event\r\n1,2\r\nvær så god\r\n3,4"
    pairs, bad = read(text.encode(encoding))
    assert pairs == [(1, 2), (3, 4)]
    assert [str(line) for line in bad] == ["line 3: not a run and an event number: vær så god"]


def test_foreign_bytes_are_shown_once():
    """What is not printable is escaped, and backslashes are not doubled."""
    _, bad = read(b"1 2\nC:\\a \xff \x1b[1m\n")
    assert str(bad[0]) == "line 2: not a run and an event number: C:\\a \\xff \\x1b[1m"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"PK\x03\x04" + bytes(1000), "a zip archive or a workbook"),
        (b"root\x00\x00\xf7\x27" + bytes(1000), "a ROOT file"),
        (b"BZh91AY&SY" + bytes(1000), "a bzip2 file"),
        (bytes(range(256)) * 2000, "binary data"),
        (gzip.compress(bytes(range(256)) * 2000, mtime=0), "binary data"),
        (gzip.compress(b"PK\x03\x04" + bytes(100), mtime=0), "a zip archive"),
    ],
)
def test_binary_data_is_one_sentence(data: bytes, named: str):
    """Whatever is no list is refused as a whole, with what a list may be."""
    sentence = refusal(data)
    assert named in sentence
    assert "a list is text, Parquet or Arrow" in sentence


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda data: pa.compress(data, "zstd").to_pybytes()]
)
def test_compression(pack: Callable[[bytes], bytes]):
    """.gz and .zst are told by their first bytes; what is cut off is said, after what was read."""
    data = "".join(f"{n} {n * 7919 % 10_007}\n" for n in range(200_000)).encode()
    packed = pack(data)
    pairs, bad = read(packed)
    assert (len(pairs), bad) == (200_000, [])
    assert read(pack(b"1 2\n") + pack(b"3 4\n")) == ([(1, 2), (3, 4)], [])
    blocks: list[int] = []
    with pytest.raises(PairListError, match="damaged compressed data"):
        blocks.extend(len(block.pairs.runs) for block in read_pairs(io.BytesIO(packed[:-20])))
    assert "damaged" in refusal(packed[: len(packed) // 2])
