"""Strict JSON events: what Python's own decoder would take and the index must not."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_store.model import DSID_MAX, NUMBER_MAX
from ingest_service.decode.json_each import decode_each
from ingest_service.decode.json_events import decode_json
from ingest_service.model import MalformedBatchError, Reason

FUID = "01234567-89ab-cdef-0123-456789abcdef"
GOOD = {"run_number": 1, "event_number": 2, "olt_result": 3, "dsid_raw": 4, "fuid_raw": FUID}
REPEATED = (
    b', "run_number": 1',
    b', "\\u0072un_number": 1',
    b', "dsid_raw": 4',
    f', "fuid_raw": "{FUID}"'.encode(),
)
ARABIC = FUID.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}")


def with_raw(field: str, raw: str) -> bytes:
    """Return the good event with the text of one value replaced."""
    text = json.dumps(GOOD | {field: "@"}, ensure_ascii=False)
    return text.replace('"@"', raw).encode("utf-8", "surrogatepass")


@given(
    st.integers(0, NUMBER_MAX),
    st.integers(0, NUMBER_MAX),
    st.integers(0, 2**64 - 1),
    st.integers(0, DSID_MAX),
    st.uuids(),
)
def test_good_event_is_decoded(run, event, olt, dsid, fuid):
    """Every value in range comes through unchanged."""
    values = (run, event, olt, dsid, str(fuid))
    decoded = decode_json(json.dumps(dict(zip(GOOD, values, strict=True))).encode())
    assert (decoded.runs, decoded.events, decoded.olt) == ([run], [event], [olt])
    assert decoded.files == [(fuid, dsid)]


@pytest.mark.parametrize(
    ("field", "raw", "reason"),
    [
        ("run_number", "true", Reason.WRONG_TYPE),
        ("run_number", "1.0", Reason.WRONG_TYPE),
        ("run_number", "1e3", Reason.WRONG_TYPE),
        ("run_number", "null", Reason.WRONG_TYPE),
        ("run_number", '"1"', Reason.WRONG_TYPE),
        ("run_number", "[1]", Reason.WRONG_TYPE),
        ("run_number", "-1", Reason.OUT_OF_RANGE),
        ("run_number", str(2**63), Reason.OUT_OF_RANGE),
        ("event_number", str(2**64), Reason.OUT_OF_RANGE),
        ("olt_result", str(2**64), Reason.OUT_OF_RANGE),
        ("dsid_raw", str(2**31), Reason.OUT_OF_RANGE),
        ("fuid_raw", "7", Reason.WRONG_TYPE),
        ("fuid_raw", '""', Reason.WRONG_TYPE),
        ("fuid_raw", f'"{{{FUID}}}"', Reason.WRONG_TYPE),
        ("fuid_raw", f'"urn:uuid:{FUID}"', Reason.WRONG_TYPE),
        ("fuid_raw", f'"{FUID.replace("-", "")}"', Reason.WRONG_TYPE),
        ("fuid_raw", f'"{FUID.replace("0", "_")}"', Reason.WRONG_TYPE),
        ("fuid_raw", f'"{ARABIC}"', Reason.WRONG_TYPE),
        ("fuid_raw", f'"{FUID}\\u0000"', Reason.WRONG_TYPE),
        ("fuid_raw", '"\\ud800"', Reason.WRONG_TYPE),
        ("extra_field", "1", Reason.WRONG_FIELDS),
    ],
)
def test_bad_value_is_rejected_by_name(field, raw, reason):
    """The rejection names the field; the dead letter is the payload."""
    payload = with_raw(field, raw)
    decoded = decode_json(payload)
    assert decoded.offered == 1
    assert decoded.runs == []
    assert [r.reason for r in decoded.rejections] == [reason]
    assert field in decoded.rejections[0].detail
    assert decoded.rejections[0].detail.isascii()
    assert decoded.piece(0) == payload


@pytest.mark.parametrize("field", sorted(GOOD))
def test_missing_field_is_rejected_by_name(field):
    """Nothing is filled in for a field that is not there."""
    decoded = decode_json(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode())
    assert decoded.rejections[0].detail == f"{field} is missing"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"   ",
        b"{",
        b"\x00",
        b"nonsense",
        b"[1,",
        b"[1 2]",
        b"[,]",
        b"[{}] x",
        b"{} {}",
        with_raw("run_number", "NaN"),
        with_raw("run_number", "-Infinity"),
        with_raw("run_number", "1e400"),
        with_raw("run_number", "01"),
        with_raw("run_number", "9" * 4301),
        with_raw("run_number", "[" * 100_000),
        with_raw("run_number", "[" * 100_000 + "]" * 100_000),
        b"[" * 100_000,
        json.dumps(GOOD).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
        b'{"run_number": 1, "run_number": 2}',
        *(json.dumps(GOOD)[:-1].encode() + more + b"}" for more in REPEATED),
        b'{"fuid_raw": "\xff"}',
        b'{"fuid_raw": "\n"}',
    ],
)
def test_text_that_is_not_strict_json_is_malformed(payload):
    """What is not strict JSON is refused as a whole."""
    with pytest.raises(MalformedBatchError):
        decode_json(payload)


def test_good_elements_of_an_array_are_kept():
    """Each bad element is a rejection of its own and holds that element as it came."""
    bad = ["7", '{"a": 1, "a": 2}', "[NaN]", f"[{'9' * 5000}]", '{"run_number": -1}', '"]"']
    good = json.dumps(GOOD)
    decoded = decode_json(f" [ {good} ,{' , '.join(bad)},\n{good}\t] ".encode())
    assert decoded.offered == 8
    assert decoded.positions == [0, 7]
    assert decoded.runs == [1, 1]
    assert [r.position for r in decoded.rejections] == list(range(1, 7))
    assert [decoded.piece(r.position) for r in decoded.rejections] == [b.encode() for b in bad]


def test_repeated_key_in_an_array_is_one_rejection():
    """Of an array the event with a repeated key is refused, the other one is kept."""
    repeated = f'{json.dumps(GOOD)[:-1]}, "run_number": 1}}'
    decoded = decode_json(f"[{json.dumps(GOOD)}, {repeated}]".encode())
    assert decoded.positions == [0]
    assert [decoded.piece(r.position) for r in decoded.rejections] == [repeated.encode()]


def test_empty_array_is_valid():
    """An array of no events offers nothing."""
    assert decode_json(b" [ ] ").offered == 0


@pytest.mark.slow
def test_array_of_too_many_events_is_refused():
    """A message holds at most 100,000 events, and says so."""
    with pytest.raises(MalformedBatchError, match="more than 100000") as error:
        decode_json(b"[" + b"1," * 100_000 + b"1]")
    assert error.value.reason is Reason.TOO_LARGE


@given(st.binary(max_size=200) | st.text(alphabet='[]{},:"\\0e-.truefalsn ').map(str.encode))
def test_any_payload_is_decoded_or_refused(payload):
    """No payload raises anything but a refusal."""
    try:
        decoded = decode_json(payload)
    except MalformedBatchError:
        return
    assert decoded.offered == len(decoded.runs) + len(decoded.rejections)


NUMBERS = st.sampled_from(
    ["0", "-0", "1", "01", "1.0", "1e3", "-1", "true", "null", '"1"', "[]", "{}", "NaN", "9" * 1001]
    + [str(value) for value in (2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64)]
)
FUIDS = st.sampled_from(
    [FUID, FUID.upper(), FUID[:-1], "", ARABIC, "\\u0030" + FUID[1:], '\\"', "]"]
)
KEYS = st.sampled_from([*GOOD, *GOOD, "\\u0072un_number", "unknown", ""])


@st.composite
def almost_events(draw):
    """Return the text of an event, sometimes with a fault or two."""
    pairs = dict.fromkeys(GOOD, "1") | {"fuid_raw": f'"{FUID}"'}
    if draw(st.booleans()):
        pairs[draw(st.sampled_from(sorted(GOOD)))] = draw(NUMBERS)
    if draw(st.booleans()):
        pairs["fuid_raw"] = f'"{draw(FUIDS)}"'
    listed = draw(st.permutations(sorted(pairs.items())))
    if draw(st.booleans()):
        listed.insert(0, (draw(KEYS), draw(NUMBERS)))
    if draw(st.integers(0, 5)) == 0:
        listed.pop()
    blank = draw(st.sampled_from(["", " ", "\t\r\n", "\f", "\ufeff"]))
    return "{" + f"{blank},".join(f'"{key}"{blank}:{value}' for key, value in listed) + "}"


@given(st.lists(almost_events(), min_size=1, max_size=3), st.booleans(), st.sampled_from(["", "x"]))
def test_fast_decoder_takes_nothing_that_the_strict_one_refuses(texts, is_array, behind):
    """Where the fast decoder answers, its answer is the strict one's, piece by piece."""
    text = f"[{','.join(texts)}]" if is_array else texts[0]
    payload = (text + behind).encode()

    def result(decode):
        try:
            decoded = decode(payload)
        except MalformedBatchError as error:
            return str(error)
        pieces = [decoded.piece(position) for position in range(decoded.offered)]
        columns = (decoded.runs, decoded.events, decoded.olt, decoded.files)
        return (
            columns,
            [decoded.files[i] for i in decoded.file_index],
            [*decoded.rejections],
            pieces,
        )

    fast, strict = result(decode_json), result(decode_each)
    assert repr(fast) == repr(strict)


@pytest.mark.parametrize("bad", [False, True])
def test_the_elements_of_a_large_array_are_found_once(bad):
    """Work for a refused element does not grow with its message: 20,000 take a second or two."""
    texts = [
        json.dumps(
            {
                "run_number": 1,
                "event_number": -1 if bad else number,
                "olt_result": 0,
                "dsid_raw": 1,
                "fuid_raw": "01234567-89ab-cdef-0123-456789abcdef",
            }
        )
        for number in range(20_000)
    ]
    began = time.process_time()
    decoded = decode_json(f"[{','.join(texts)}]".encode())
    assert len(decoded.rejections) == (20_000 if bad else 0)
    assert [decoded.piece(n).decode() for n in range(20_000)] == texts
    assert time.process_time() - began < 10
