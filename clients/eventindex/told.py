"""Sentences that also say themselves as a reason with parameters, for readers of other languages.

A sentence is its English text wherever a text is wanted. Services send reason and parameters beside
it, and the web page has the sentence in each of its languages. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Of `google.rpc.ErrorInfo`: who gives the reasons their meaning.
DOMAIN = "eventindex"
# The trailing metadata of gRPC's richer error model.
STATUS_DETAILS = "grpc-status-details-bin"
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]", re.ASCII)


class Told(str):
    """An English sentence, its reason, and what stands in the places of its parameters."""

    __slots__ = ("parameters", "reason")

    def __new__(cls, text: str, reason: str, parameters: Mapping[str, str]) -> Told:
        """Return the sentence; `told` makes the text."""
        found = super().__new__(cls, text)
        found.reason = reason
        found.parameters = dict(parameters)
        return found

    reason: str
    parameters: dict[str, str]

    def __reduce__(self) -> tuple[type[Told], tuple[str, str, dict[str, str]]]:
        """Return how a copy is made: errors go from process to process."""
        return Told, (str(self), self.reason, self.parameters)


def told(reason: str, template: str, **parameters: object) -> Told:
    """Return a sentence by its reason; `{name}` in the template is a parameter."""
    if not _REASON.fullmatch(reason):
        raise ValueError(f"{reason!r} is not a reason: capital letters, digits and _")
    texts = {name: str(value) for name, value in parameters.items()}
    return Told(template.format_map(texts), reason, texts)


def reason_of(text: object) -> tuple[str, dict[str, str]]:
    """Return reason and parameters of a sentence; those of any other text are empty."""
    if isinstance(text, Told):
        return text.reason, text.parameters
    return "", {}


def sentence_of(error: BaseException) -> str:
    """Return what an error says, with its reason where it has one."""
    return error.args[0] if len(error.args) == 1 and isinstance(error.args[0], Told) else str(error)
