"""Lists of files as other catalogues write them."""

from __future__ import annotations

import io
import json

import pytest

from eventindex import FileInfo
from eventindex.file_catalogues.reading import BadLine, CatalogueError, read_infos

A, B = "0cb2f7a1-1111-4222-8333-444455556666", "1cb2f7a1-1111-4222-8333-444455556666"

RUCIO = f"""
+------------------+--------------------------------------+-------------+------------+----------+
| SCOPE:NAME       | GUID                                 | ADLER32     | FILESIZE   |   EVENTS |
|------------------+--------------------------------------+-------------+------------+----------|
| user.ann:a.root  | {A.upper()} | ad:0a1b2c3d | 5.240 GB   |      100 |
| user.ann:b.root  | {B.upper().replace("-", "")}     | ad:ffffffff | 12345      |          |
+------------------+--------------------------------------+-------------+------------+----------+
Total files : 2
Total size : 5.240 GB
Total events : 100
"""
RUCIO_CSV = f"""user.ann:a.root,{A.upper()},ad:0a1b2c3d,5.240 GB,100
user.ann:b.root,{B},ad:ffffffff,12345,None
"""
RUCIO_LINES = "\n".join(
    json.dumps({"scope": "user.ann", "name": f"{n}.root", "guid": guid.replace("-", ""),
                "adler32": adler, "bytes": size, "events": None})
    for n, guid, adler, size in (("a", A, "0a1b2c3d", None), ("b", B, "ffffffff", 12345))
)  # fmt: skip
DIRAC = f"""FileName         Size      GUID                                  Status   Checksum
/vo/a.root       5         {A.upper()}  -        0a1b2c3d
/vo/b.root       12345     {B.upper()}  -        ffffffff
"""
DIRAC_JSON = json.dumps(
    {"OK": True, "Value": {"Failed": {}, "Successful": {
        "/vo/a.root": {"GUID": A.upper(), "Size": 5, "Checksum": "0a1b2c3d",
                       "ChecksumType": "Adler32", "Status": "-"},
        "/vo/b.root": {"GUID": B.upper(), "Size": 12345, "Checksum": "ffffffff",
                       "ChecksumType": "Adler32", "Status": "-"},
    }}}
)  # fmt: skip
OWN = json.dumps({"files": [{"fuid_raw": A, "dsid_raw": 1, "run_number": 2, "events": 3,
                             "name": "a.root", "checksum": "md5:0"}]})  # fmt: skip

RUCIO_FILES = [
    FileInfo(A, "user.ann:a.root", 0, "adler32:0a1b2c3d"),
    FileInfo(B, "user.ann:b.root", 12345, "adler32:ffffffff"),
]
DIRAC_FILES = [
    FileInfo(A, "/vo/a.root", 5, "0a1b2c3d"),
    FileInfo(B, "/vo/b.root", 12345, "ffffffff"),
]


def infos(text: str) -> list[FileInfo | BadLine]:
    return list(read_infos(io.StringIO(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(RUCIO, RUCIO_FILES, id="rucio table"),
        pytest.param(RUCIO_CSV, RUCIO_FILES, id="rucio csv"),
        pytest.param(RUCIO_LINES, RUCIO_FILES, id="rucio json lines"),
        pytest.param(f"[{RUCIO_LINES.replace(chr(10), ',')}]", RUCIO_FILES, id="json array"),
        pytest.param(DIRAC, DIRAC_FILES, id="dirac table"),
        pytest.param(
            DIRAC_JSON,
            [f._replace(checksum=f"adler32:{f.checksum}") for f in DIRAC_FILES],
            id="dirac json",
        ),
        pytest.param(OWN, [FileInfo(A, "a.root", 0, "md5:0")], id="a list of files"),
        pytest.param(
            f"\ufefflfn;size;md5;Fuid_raw\r\n/x y/a.root;7;d41d;{A}\r\n",
            [FileInfo(A, "/x y/a.root", 7, "md5:d41d")],
            id="csv by names",
        ),
        pytest.param(
            f"# a plain list\n\n{A} /x/a.root\n/x/b.root\t {B}\n",
            [FileInfo(A, "/x/a.root"), FileInfo(B, "/x/b.root")],
            id="plain",
        ),
    ],
)
def test_forms_of_other_catalogues_are_read(text, expected):
    """What Rucio, DIRAC, tables with titles and plain lists say of files is what is noted."""
    assert infos(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"guid,name\n{A},a.root\n,b.root\n", "there is no file id (guid, fuid)"),
        (f"guid,name\n{A},a.root\nxyz,b.root\n", "file id is 'xyz', not 32 hexadecimal digits"),
        (f"guid,name,size\n{A},a.root,1\n{B},b.root,-7\n", "bytes is '-7', not a number of bytes"),
        (f"guid,name\n{A},a.root\n{B}\n", "1 values for 2 columns"),
        (f"guid,name\n{A},a.root\n{B},../b\n", "name is '../b', with a part '..'"),
        (f"{A} a.root\nb.root 5\n", "no value is a file id"),
        (f'{{"guid": "{A}", "name": "a.root"}}\n{{"guid": [1]}}\n', "a value is '[1]'"),
        (f'{{"guid": "{A}", "name": "a.root"}}\n{{"guid"\n', "no JSON"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(text, problem):
    """A row that says nothing of a file is told with its place and value; the rest is read."""
    found = infos(text)
    assert isinstance(found[0], FileInfo)
    (bad,) = found[1:]
    assert isinstance(bad, BadLine)
    assert bad.problem.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n\n", "there is nothing in it"),
        ("| NAME | SIZE |\n| a | 1 |\n", "no column is the file's id: NAME, SIZE"),
        ('{"a": 1}', "the JSON is not a list of files"),
        ("[1, 2", "it is no JSON"),
    ],
)
def test_a_text_of_no_form_is_refused(text, problem):
    """A text that no catalogue writes is refused as a whole, saying why."""
    with pytest.raises(CatalogueError, match=problem.replace("|", r"\|")):
        infos(text)
