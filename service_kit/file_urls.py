"""Addresses of files from EVENTINDEX_FILE_URL. Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping

FIELDS = ("name", "fuid", "dataset", "collection", "run")


class FileUrl:
    """The template of addresses: `root://host//store/{name}`; "" makes none.

    Attributes:
        needs_dataset: whether an address holds the name of the file's dataset or collection.
        needs_run: whether it holds a run.
    """

    def __init__(self, template: str) -> None:
        """Check the template.

        Raises:
            ValueError: it is none; says why.
        """
        fields = fields_of(template)
        self._template = template
        self._needs_name = "name" in fields
        self.needs_dataset = bool(fields & {"dataset", "collection"})
        self.needs_run = "run" in fields

    def __bool__(self) -> bool:
        """Return whether there are addresses."""
        return bool(self._template)

    def of(
        self,
        *,
        fuid: str,
        name: str,
        dataset: str = "",
        collection: str = "",
        run: int | None = None,
    ) -> str:
        """Return the address of a file; "" where something that it is made of is not known."""
        if (
            not self._template
            or (self._needs_name and not name)
            or (self.needs_dataset and not dataset)
            or (self.needs_run and run is None)
        ):
            return ""
        values: Mapping[str, object] = {
            "name": name,
            "fuid": fuid,
            "dataset": dataset,
            "collection": collection,
            "run": run,
        }
        return self._template.format_map(values)


def fields_of(template: str) -> frozenset[str]:
    """Return the fields of a template.

    Raises:
        ValueError: it cannot make addresses; names what is wrong.
    """
    if not template:
        return frozenset()
    head = f"EVENTINDEX_FILE_URL={template!r}"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{head}: {error}") from None
    known = ", ".join(f"{{{field}}}" for field in FIELDS)
    fields = set()
    for _, field, form, conversion in parts:
        if field is None:
            continue
        if field not in FIELDS or form or conversion:
            shown = field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise ValueError(f"{head}: {{{shown}}} is none of {known}")
        fields.add(field)
    if not fields & {"name", "fuid"}:
        raise ValueError(f"{head}: all files would have one address: it needs {{name}} or {{fuid}}")
    if any(character.isspace() or not character.isprintable() for character in template):
        raise ValueError(f"{head}: an address has no blanks")
    return frozenset(fields)
