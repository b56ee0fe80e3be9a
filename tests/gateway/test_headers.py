"""What every answer has: packed, secured, not sent twice; HEAD is GET without its body."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.gateway import (
    API,
    FILES,
    TEXT,
    Stack,
)


def test_a_known_document_is_not_sent_again(http):
    """An ETag that the caller has is answered with 304."""
    tag = http.get(f"{API}/runs/1").headers["etag"]
    assert http.get(f"{API}/runs/1", headers={"If-None-Match": tag}).status_code == 304
    assert http.get(f"{API}/runs/2", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("path", ["runs", "runs/1", "runs/424242", "nothing", "lookup", "counts"])
def test_documents_end_their_line(http, path):
    """The prompt of a shell does not stand behind the answer, a refusal included."""
    body = {"json": {"pairs": [[1, 5]]}} if path == "lookup" else {}
    answer = http.request("POST" if body else "GET", f"{API}/{path}", **body)
    assert (answer.text[-2] in "}]", answer.text[-1]) == (True, "\n")


def test_answers_are_packed_where_the_caller_likes_it(http):
    """gzip, for documents and streams, and neither for those who do not ask."""
    for path in ("overlaps?run=1", "events?run_last=3"):
        packed = http.get(f"{API}/{path}")
        plain = http.get(f"{API}/{path}", headers={"Accept-Encoding": "identity"})
        assert packed.headers.get("content-encoding") == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.text == plain.text


def test_answers_carry_security_headers(http):
    """No other site can frame, read or script an answer, errors and pages included."""
    for path in (f"{API}/runs", f"{API}/nothing", "/docs", "/assets/pages/docs.js"):
        headers = http.get(path, headers={"Origin": "https://elsewhere.example"}).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control")]


def test_other_sites_change_nothing(http):
    """What a browser sends for another site's page is refused, and what a form can send."""
    site = {"Sec-Fetch-Site": "cross-site"}
    body = {"json": {"pairs": [[1, 5]]}}
    assert http.post(f"{API}/jobs", headers=site, **body).status_code == 403
    assert http.post(f"{API}/lookup", headers=site, **body).status_code == 403
    assert http.post(f"{API}/jobs", content="1 5", headers=TEXT).status_code == 403
    own = {**TEXT, "EventIndex-Request": "1", "Sec-Fetch-Site": "same-origin"}
    assert http.post(f"{API}/jobs", content="1 5", headers=own).status_code == 202


def test_docs_come_from_this_machine(http):
    """The page of the docs and what it loads are local, and the document is OpenAPI 3.1."""
    page = http.get("/docs").text
    addresses = re.findall(r' (?:src|href)="([^"]+)"', page)
    loaded = [address for address in addresses if address.startswith("/assets/")]
    assert {"swagger-ui.css", "swagger-ui-bundle.js", "docs.css", "docs.js"} <= {
        address.rpartition("/")[2] for address in loaded
    }
    assert not [address for address in addresses if "//" in address]
    for address in loaded:
        assert http.get(address).status_code == 200
    document = http.get(f"{API}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert {"400", "503"} <= set(operation["responses"])


READ = (
    "/", "/runs", "/runs/1", "/datasets", "/datasets/7", f"/files/{FILES[0]}", "/live", "/cosmic",
    "/conflicts", "/dead-letters", "/docs", "/assets/pages/docs.js", "/assets/lib/pairs.js",
    "/nowhere",
    *(
        API + path
        for path in (
            "/openapi.json", "/runs", "/runs/1", "/runs/999", "/datasets", "/datasets/7", "/files",
            "/files/x", f"/files/{FILES[0]}/events", "/events?run=1", "/events?format=csv",
            "/conflicts", "/runs?page_size=0", "/live", "/nowhere",
        )
    ),
)  # fmt: skip
# What differs from one GET to the next, or says how a body is framed.
CHANGING = {"date", "transfer-encoding", "x-request-id"}


@pytest.mark.parametrize("path", READ)
def test_head_is_get_without_its_body(stack: Stack, http: httpx.Client, path: str):
    """HEAD has the status and the headers of GET wherever there is GET, and ends at once."""
    for encoding in ("identity", "gzip"):
        head = http.head(path, headers={"Accept-Encoding": encoding})
        with http.stream("GET", path, headers={"Accept-Encoding": encoding}) as get:
            assert head.status_code == get.status_code
            told = [{k: v for k, v in answer.headers.items() if k not in CHANGING}
                    for answer in (head, get)]  # fmt: skip
        assert told[0] == told[1]
        assert not head.content


def test_head_of_what_is_only_sent(http: httpx.Client):
    """An address without GET refuses HEAD, and one with GET says that it has both."""
    assert http.head(f"{API}/lookup").status_code == 405
    assert http.head(f"{API}/lookup").headers["allow"] == "POST"
    assert http.put(f"{API}/runs").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("page", ["/metrics", "/healthz", "/readyz", "/nowhere"])
def test_head_of_the_side_port(stack: Stack, page: str):
    """Probes that use HEAD get the answer of GET on the side port of each service."""
    for service in (stack.gateway, stack.index, stack.ingest):
        address = f"http://127.0.0.1:{service.metrics_port}{page}"
        head, get = httpx.head(address), httpx.get(address)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        if page != "/metrics":
            assert head.headers["content-length"] == get.headers["content-length"]
        else:
            assert int(head.headers["content-length"]) > 100
