"""The reference page of the settings, `docs/settings.md`, made from the settings themselves.

`python -m service_kit.settings_page > docs/settings.md` writes it again after a change. Never
reads the environment: the page shows defaults.
"""

from __future__ import annotations

import datetime
import html
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service_kit.settings import FIXED_LIMITS, Settings

# The first setting of each section, in the order of the class.
_SECTIONS = {
    "index_address": "Addresses and data",
    "database_url": "PostgreSQL",
    "cache_bytes_max": "Lookups",
    "http_requests_at_once_max": "HTTP",
    "mqtt_url": "Broker",
    "batch_events_max": "Ingest",
    "tls_cert": "TLS of the services",
    "mode": "Who may call",
    "shutdown_grace_s": "Running",
}

_KINDS: dict[object, str] = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    SecretStr: "text",
    Path: "path",
    datetime.date: "date",
}

_HEAD = """\
# Settings

<!-- Made by `python -m service_kit.settings_page`; a test holds it against the code. -->

Settings are environment variables, or lines of a `.env` file in the working directory; a variable
wins over the file. They are read and checked once, when a service starts: a wrong one ends the
start with a message that names it.
"""

_LIMITS = """
## Fixed limits

No setting changes these.

| what | limit |
|---|---|
"""

_TABLE = "\n| variable | value | default | meaning |\n|---|---|---|---|\n"


def render(settings: type[Settings]) -> str:
    """Return the whole page as Markdown."""
    prefix = settings.model_config.get("env_prefix", "")
    lines = [_HEAD]
    for name, field in settings.model_fields.items():
        if name in _SECTIONS:
            lines.append(f"\n## {_SECTIONS[name]}\n{_TABLE}")
        cells = (f"`{prefix}{name.upper()}`", _values(field), _default(field))
        lines.append(
            f"| {' | '.join(cells)} | {html.escape(field.description or '', quote=False)} |\n"
        )
    lines.append(_LIMITS)
    lines.extend(f"| {what} | {limit} |\n" for what, limit in FIXED_LIMITS.items())
    return "".join(lines)


def _values(field: FieldInfo) -> str:
    """Return what may stand there: the choices, or the type with its bounds."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    return ", ".join([_kind(field.annotation), *_bounds(field)])


def _kind(annotation: object) -> str:
    types = [t for t in get_args(annotation) if t is not NoneType] or [annotation]
    return _KINDS[types[0]]


def _bounds(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        match limit:
            case Ge(ge=bound):
                yield f"from {bound:,}"
            case Gt(gt=bound):
                yield f"above {bound:,}"
            case Le(le=bound):
                yield f"up to {bound:,}"
            case MinLen(min_length=length):
                yield f"from {length} character{'s' if length > 1 else ''}"
            case MaxLen(max_length=length):
                yield f"up to {length:,} characters"


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "" if field.default in (None, "", SecretStr("")) else f"`{field.default}`"


if __name__ == "__main__":
    sys.stdout.write(render(Settings))
