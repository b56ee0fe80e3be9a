"""Options of `eventindex load`: what they mean, and which do not go together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from eventindex.root_files.branches import ALIASES, Wanted
from eventindex.uuids import is_canonical_uuid, uuid_hint

if TYPE_CHECKING:
    from eventindex.cli.event_files.opening import InputFile
    from eventindex.cli.event_files.rows import Defaults


def check_fuid(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a UUID as given."""
    if value is not None and not is_canonical_uuid(value):
        raise click.BadParameter(f"{value!r} is not a UUID{uuid_hint(value)}")
    return value


def column_names(value: str | None, fields: Collection[str]) -> dict[str, str]:
    """Return the name in the file of each field that FIELD=COLUMN,... maps.

    Raises:
        click.BadParameter: an unknown field, or one that is there twice; names it.
    """
    names: dict[str, str] = {}
    for part in value.split(",") if value else ():
        name, equals, column = (text.strip() for text in part.partition("="))
        if not equals or not column:
            raise click.BadParameter(f"{part!r} is not FIELD=COLUMN")
        if name not in fields:
            raise click.BadParameter(f"{name!r} is not a field (fields: {', '.join(fields)})")
        if name in names or column in names.values():
            raise click.BadParameter(f"{name if name in names else column!r} is there twice")
        names[name] = column
    return names


def check_columns(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, str]:
    """Return the name in the file of each field."""
    from eventindex.cli.event_files.fields import ALL_FIELDS

    return column_names(value, (*ALL_FIELDS, *ALIASES))


def check_delimiter(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the character that is meant."""
    if value is None:
        return None
    mark = {"tab": "\t", "\\t": "\t"}.get(value.lower(), value)
    if len(mark) != 1 or not mark.isascii() or mark in '\r\n"' or mark.isalnum() or mark in "-_.":
        raise click.BadParameter(f"{value[:60]!r} is not one character that separates, or tab")
    return mark


def patterns(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the parts of a list with commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value else ()


def wanted(
    names: dict[str, str], tree: str | None, run: int | None, criteria: tuple[str, ...]
) -> Wanted:
    """Return what to read from ROOT files."""
    columns = {ALIASES.get(name, name): column for name, column in names.items()}
    if "olt_result" in columns and criteria:
        raise click.UsageError("--criteria and a mask in --columns exclude each other")
    return Wanted(tree, columns, run, criteria)


def check_root_options(
    inputs: Iterable[InputFile], names: dict[str, str], with_fuid: bool, wanted: Wanted
) -> None:
    """Hold options to the files that they are for."""
    from eventindex.cli.event_files.fields import ALL_FIELDS
    from eventindex.cli.load_root import FORM as ROOT
    from eventindex.text_rows import FILE_FIELDS

    forms = {file.form for file in inputs}
    alias = next((name for name in names if name in ALIASES), None)
    if alias is not None and forms != {ROOT}:
        raise click.UsageError(f"{alias!r} is not a field (fields: {', '.join(ALL_FIELDS)})")
    if ROOT in forms and with_fuid:
        raise click.UsageError("--fuid and --fuid-per-run are not for ROOT files: each has its own")
    if ROOT in forms and {"fuid_raw", "dsid_raw", *FILE_FIELDS} & set(names):
        raise click.UsageError("--columns of ROOT files are of run, event and olt")
    if ROOT not in forms and (wanted.tree is not None or wanted.criteria):
        raise click.UsageError("--tree and --criteria are for ROOT files")


def check_files(inputs: Iterable[InputFile], defaults: Defaults) -> None:
    """Find files that cannot be read at all before anything of the others is stored."""
    from eventindex.cli.event_files.opening import check_file
    from eventindex.cli.event_files.rows import FileFormatError

    for file in inputs:
        try:
            check_file(file, defaults)
        except FileFormatError as error:
            raise click.UsageError(f"{file.path}: {error}") from error


def open_rejects(path: Path, inputs: Iterable[InputFile]) -> TextIO:
    """Open the file of refused rows; it is none of the input."""
    if any(file.path != "-" and path.resolve() == Path(file.path).resolve() for file in inputs):
        raise click.UsageError(f"--reject-file {path} is one of the files to load")
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--reject-file {path}: {error.strerror}") from error
