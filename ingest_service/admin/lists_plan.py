"""From requests for dead letters and recorded actions to checked pages. Pure: no I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

from event_store.model import NUMBER_MAX
from eventindex.told import told
from eventindex.v1 import admin_pb2
from ingest_service.decode.fields import describe
from ingest_service.model import Reason
from service_kit import checks
from service_kit.errors import InvalidRequestError

LETTERS_PAGE_MAX = 10_000
LETTERS_PAGE_DEFAULT = 100
_TOPIC_CHARACTERS_MAX = 65_535
_TOKEN = re.compile(r"letter-([0-9]{1,19})")
_ACTION_TOKEN = re.compile(r"action-([0-9]{1,19})")


class LettersPlan(NamedTuple):
    """A checked listing of dead letters: those below `before`."""

    before: int
    reason: str
    topic: str
    limit: int


def plan_letters(request: admin_pb2.ListDeadLettersRequest) -> LettersPlan:
    """Check a listing of dead letters.

    Raises:
        InvalidRequestError: a page size, token, reason or topic that cannot be.
    """
    page_size = checks.at_most("page_size", request.page_size, LETTERS_PAGE_MAX)
    if request.reason and request.reason not in list(Reason):
        raise InvalidRequestError(
            told(
                "NOT_A_REASON",
                "reason={value} is none of {choices}",
                value=describe(request.reason),
                choices=", ".join(Reason),
            )
        )
    if len(request.topic) > _TOPIC_CHARACTERS_MAX or "\0" in request.topic:
        raise InvalidRequestError(
            told("NOT_A_TOPIC", "topic={topic} cannot be a topic", topic=describe(request.topic))
        )
    return LettersPlan(
        _before(request.page_token),
        request.reason,
        request.topic,
        page_size or LETTERS_PAGE_DEFAULT,
    )


class ActionsPlan(NamedTuple):
    """A page of recorded actions; empty texts do not restrict."""

    before: int
    subject: str
    method: str
    limit: int


def plan_actions(request: admin_pb2.ListAdminActionsRequest) -> ActionsPlan:
    """Check a listing of recorded actions.

    Raises:
        InvalidRequestError: a page size, token, subject or method that cannot be.
    """
    page_size = checks.at_most("page_size", request.page_size, LETTERS_PAGE_MAX)
    if "\0" in request.subject:
        raise InvalidRequestError(
            told(
                "NOT_A_SUBJECT",
                "subject={subject} cannot be a subject",
                subject=describe(request.subject),
            )
        )
    methods = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods_by_name
    if request.method and request.method not in methods:
        raise InvalidRequestError(
            told(
                "NOT_A_METHOD",
                "method={method} is none of AdminService",
                method=describe(request.method),
            )
        )
    return ActionsPlan(
        _before(request.page_token, _ACTION_TOKEN),
        request.subject,
        request.method,
        page_size or LETTERS_PAGE_DEFAULT,
    )


def actions_token(action_id: int) -> str:
    """Return the token of the page after an action."""
    return f"action-{action_id}"


def letters_token(dead_letter_id: int) -> str:
    """Return the token of the page after a dead letter."""
    return f"letter-{dead_letter_id}"


def _before(token: str, form: re.Pattern[str] = _TOKEN) -> int:
    if not token:
        return NUMBER_MAX
    match = form.fullmatch(token)
    if match is None or int(match[1]) > NUMBER_MAX:
        raise InvalidRequestError(
            told(
                "NOT_A_PAGE_TOKEN",
                "page_token={token} is not one of this list",
                token=describe(token),
            )
        )
    return int(match[1])
