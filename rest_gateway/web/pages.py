"""The web page: what of it is the same for every reader comes from here, in their language.

What the index holds is fetched by the page's scripts from the REST API, with the reader's token
where there is one. Never asks a service.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Depends, Header, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from rest_gateway.calls.parameters import PathDsid, PathFuid, PathNumber
from rest_gateway.parts import API_PREFIX, PartsDep
from rest_gateway.security import content_policy
from rest_gateway.sign_in import Provider
from rest_gateway.web import page_texts

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_WEB = Path(__file__).parent
THEMES = ("auto", "light", "dark")
# Name of the page and its address, in the order of the menu.
_MENU = {
    "lookup": "/",
    "select": "/select",
    "runs": "/runs",
    "datasets": "/datasets",
    "collections": "/collections",
    "live": "/live",
    "cosmic": "/cosmic",
    "jobs": "/jobs",
    "conflicts": "/conflicts",
    "dead_letters": "/dead-letters",
}
_templates = Environment(
    loader=FileSystemLoader(_WEB / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Assets(StaticFiles):
    """Scripts and styles: browsers ask each time whether theirs is still the one."""

    def __init__(self) -> None:
        super().__init__(directory=_WEB / "assets")

    async def get_response(self, path: str, scope: Scope) -> Any:
        """Return the file, or 304."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


class Reader:
    """How a reader wants the pages: their language, and light or dark."""

    def __init__(
        self,
        lang: Annotated[str | None, Cookie()] = None,
        theme: Annotated[str | None, Cookie()] = None,
        accept_language: Annotated[str, Header()] = "",
    ) -> None:
        self.language = page_texts.choose(lang, accept_language)
        self.theme = theme if theme in THEMES else "auto"
        self.provider: Provider | None = None


async def _reader(reader: Annotated[Reader, Depends()], parts: PartsDep) -> Reader:
    reader.provider = await parts.sign_in.provider()
    return reader


def _in_script(value: object) -> str:
    """Return JSON for inside of a script element, which only "<" could end."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _page(reader: Reader, name: str, *, menu: str | None = None, **values: Any) -> HTMLResponse:
    language, provider = reader.language, reader.provider
    html = _templates.get_template(f"{name}.html").render(
        t=lambda key: page_texts.text(language, key),
        texts=_in_script(page_texts.catalogue(language)),
        sign_in=_in_script(provider.client) if provider else "",
        language=language,
        tag=page_texts.TAGS.get(language, language),
        tags=page_texts.TAGS,
        languages=page_texts.LANGUAGES,
        theme=reader.theme,
        themes=THEMES,
        menu=_MENU,
        current=menu or name,
        page=name,
        **values,
    )
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
    if provider:
        headers["Content-Security-Policy"] = content_policy(provider.asked, provider.framed)
    return HTMLResponse(html, headers=headers)


ReaderDep = Annotated[Reader, Depends(_reader)]


@router.get("/")
def lookup(reader: ReaderDep) -> HTMLResponse:
    """Return the page of lookups: a list of pairs in, their RAW files out."""
    return _page(reader, "lookup")


@router.get("/runs")
def runs(reader: ReaderDep) -> HTMLResponse:
    """Return the page of runs."""
    return _page(reader, "runs")


@router.get("/runs/{run_number}")
def run(reader: ReaderDep, run_number: PathNumber) -> HTMLResponse:
    """Return the page of one run: files, triggers, gaps."""
    return _page(reader, "run", menu="runs", subject=run_number)


@router.get("/datasets")
def datasets(reader: ReaderDep) -> HTMLResponse:
    """Return the page of datasets."""
    return _page(reader, "datasets")


@router.get("/datasets/{dsid_raw}")
def dataset(reader: ReaderDep, dsid_raw: PathDsid) -> HTMLResponse:
    """Return the page of one dataset and its files."""
    return _page(reader, "dataset", menu="datasets", subject=dsid_raw)


@router.get("/collections")
def collections(reader: ReaderDep) -> HTMLResponse:
    """Return the page of collections, and of what they have in common."""
    return _page(reader, "collections")


@router.get("/files/{fuid_raw}")
def file(reader: ReaderDep, fuid_raw: PathFuid) -> HTMLResponse:
    """Return the page of one RAW file."""
    return _page(reader, "file", menu="runs", subject=fuid_raw.lower())


@router.get("/select")
def select(reader: ReaderDep) -> HTMLResponse:
    """Return the page that selects events by run, dataset, detector, file and criteria."""
    return _page(reader, "select")


@router.get("/jobs")
def jobs(reader: ReaderDep) -> HTMLResponse:
    """Return the page of lists that are looked up in the background."""
    return _page(reader, "jobs")


@router.get("/live")
def live(reader: ReaderDep) -> HTMLResponse:
    """Return the page of what is coming in now."""
    return _page(reader, "live")


@router.get("/cosmic")
def cosmic(reader: ReaderDep) -> HTMLResponse:
    """Return the page of telescope events."""
    return _page(reader, "cosmic")


@router.get("/conflicts")
def conflicts(reader: ReaderDep) -> HTMLResponse:
    """Return the page of events that were offered again with other values."""
    return _page(reader, "conflicts")


@router.get("/dead-letters")
def dead_letters(reader: ReaderDep) -> HTMLResponse:
    """Return the page of refused messages."""
    return _page(reader, "dead_letters", reasons=page_texts.names("reason"))


def missing(request: Request, status: int, detail: str) -> HTMLResponse:
    """Return the page that stands where there is none."""
    reader = Reader(
        request.cookies.get("lang"),
        request.cookies.get("theme"),
        request.headers.get("accept-language", ""),
    )
    reader.provider = request.app.state.parts.sign_in.known
    page = _page(reader, "missing", menu="", detail=detail)
    page.status_code = status
    return page


def wanted(request: Request) -> bool:
    """Return whether somebody looks for a page: a browser, and not for the API."""
    is_page = not request.url.path.startswith((f"{API_PREFIX}/", "/assets/"))
    return is_page and "text/html" in request.headers.get("accept", "")


@router.get("/sign-in")
def sign_in() -> HTMLResponse:
    """Return the page that an identity provider sends the browser back to, in a frame or not."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": content_policy(ancestors="'self'"),
        "X-Frame-Options": "SAMEORIGIN",
    }
    return HTMLResponse(_templates.get_template("sign_in.html").render(), headers=headers)


@router.get("/docs")
def docs(reader: ReaderDep) -> HTMLResponse:
    """Show the OpenAPI document to people, by Swagger UI from this machine."""
    return _page(reader, "docs")
