"""From admin requests to checked values. Pure: no I/O, no database."""

from __future__ import annotations

import re
from typing import NamedTuple

from event_store.admin.datasets import DatasetChange
from event_store.admin.tokens import Scope
from event_store.model import NUMBER_MAX, DatasetState
from event_store.select.criteria import Criterion
from event_store.telescope.names import PREFIX
from eventindex.told import told
from eventindex.v1 import admin_pb2
from ingest_service.decode.fields import describe
from ingest_service.model import Reason
from service_kit import checks
from service_kit.errors import InvalidRequestError

NAME_CHARACTERS_MAX = 255
COMMENT_CHARACTERS_MAX = 4_000
LETTERS_PAGE_MAX = 10_000
LETTERS_PAGE_DEFAULT = 100
_TOPIC_CHARACTERS_MAX = 65_535
_BIT_MAX = 63
_TOKEN = re.compile(r"letter-([0-9]{1,19})")
_ACTION_TOKEN = re.compile(r"action-([0-9]{1,19})")
_TOKEN_ID = re.compile(r"[0-9]{1,19}")
_NUMBER_OR_MASK = re.compile(r"[0-9]+|0[xX].*")
_AUTOMATIC_NAME = re.compile(r"dsid-([0-9]+)")


class LettersPlan(NamedTuple):
    """A checked listing of dead letters: those below `before`."""

    before: int
    reason: str
    topic: str
    limit: int


class TokenPlan(NamedTuple):
    """A checked token to be made; the scopes are distinct."""

    subject: str
    scopes: list[str]
    lifetime_s: int


def plan_dataset(request: admin_pb2.UpdateDatasetRequest) -> DatasetChange:
    """Check a change of a dataset.

    Raises:
        InvalidRequestError: nothing to change, or a value that cannot be.
    """
    change = DatasetChange(
        checks.dsid(request.dsid_raw),
        _dataset_name(request) if request.HasField("name") else None,
        plan_state(request.state) if request.HasField("state") else None,
        plan_comment(request.comment) if request.HasField("comment") else None,
    )
    if (change.name, change.state, change.comment) == (None, None, None):
        raise InvalidRequestError("nothing to change: give name, state or comment")
    return change


def plan_resolution(request: admin_pb2.ResolveConflictRequest, caller: str) -> tuple[int, str]:
    """Check a decision on a conflict; its number and who decided.

    Args:
        request: the decision.
        caller: the subject of the caller's token, which counts and not what the request claims;
            "" without tokens.

    Raises:
        InvalidRequestError: no such resolution, or nobody who decided.
    """
    if request.resolution not in {
        admin_pb2.CONFLICT_RESOLUTION_KEEP,
        admin_pb2.CONFLICT_RESOLUTION_REPLACE,
    }:
        raise InvalidRequestError(f"resolution={request.resolution} is neither KEEP nor REPLACE")
    number = checks.number("conflict_id", request.conflict_id)
    return number, line("resolved_by", caller or request.resolved_by)


def plan_criterion(request: admin_pb2.SetCriterionRequest) -> Criterion:
    """Check the name of a bit.

    Raises:
        InvalidRequestError: no such bit or run, or a name that cannot be one.
    """
    criterion = request.criterion
    if not request.HasField("criterion"):
        raise InvalidRequestError("criterion is missing")
    if criterion.bit > _BIT_MAX:
        raise InvalidRequestError(f"bit={criterion.bit} is above {_BIT_MAX}")
    checks.number("run_first", criterion.run_first)
    name = line("name", criterion.name)
    if _NUMBER_OR_MASK.fullmatch(name):
        raise InvalidRequestError(f"name={name!r} is a number or a mask, which mean bits")
    return Criterion(criterion.bit, criterion.run_first, name)


def plan_criterion_gone(request: admin_pb2.DeleteCriterionRequest) -> tuple[int, int | None]:
    """Check which names of a bit are to be taken away: the bit, and the run or None for all.

    Raises:
        InvalidRequestError: no such bit or run.
    """
    if request.bit > _BIT_MAX:
        raise InvalidRequestError(f"bit={request.bit} is above {_BIT_MAX}")
    if not request.HasField("run_first"):
        return request.bit, None
    return request.bit, checks.number("run_first", request.run_first)


def plan_letters(request: admin_pb2.ListDeadLettersRequest) -> LettersPlan:
    """Check a listing of dead letters.

    Raises:
        InvalidRequestError: a page size, token, reason or topic that cannot be.
    """
    page_size = checks.at_most("page_size", request.page_size, LETTERS_PAGE_MAX)
    if request.reason and request.reason not in list(Reason):
        raise InvalidRequestError(
            f"reason={describe(request.reason)} is none of {', '.join(Reason)}"
        )
    if len(request.topic) > _TOPIC_CHARACTERS_MAX or "\0" in request.topic:
        raise InvalidRequestError(f"topic={describe(request.topic)} cannot be a topic")
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
        raise InvalidRequestError(f"subject={describe(request.subject)} cannot be a subject")
    methods = admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods_by_name
    if request.method and request.method not in methods:
        raise InvalidRequestError(f"method={describe(request.method)} is none of AdminService")
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


def plan_token(request: admin_pb2.CreateTokenRequest, lifetime_max_s: int) -> TokenPlan:
    """Check a token to be made.

    Raises:
        InvalidRequestError: a subject, scope or lifetime that cannot be.
    """
    subject = line("subject", request.subject)
    if not request.scopes:
        raise InvalidRequestError(f"scopes is empty: give some of {', '.join(Scope)}")
    for scope in request.scopes:
        if scope not in list(Scope):
            raise InvalidRequestError(f"scopes={describe(scope)} is none of {', '.join(Scope)}")
    if not 1 <= request.lifetime_seconds <= lifetime_max_s:
        raise InvalidRequestError(
            f"lifetime_seconds={request.lifetime_seconds} is not 1 to {lifetime_max_s}"
        )
    scopes = [str(scope) for scope in Scope if scope in request.scopes]
    return TokenPlan(subject, scopes, request.lifetime_seconds)


def plan_token_id(token_id: str) -> int:
    """Check the id of a token.

    Raises:
        InvalidRequestError: it is not one.
    """
    if not _TOKEN_ID.fullmatch(token_id) or int(token_id) > NUMBER_MAX:
        raise InvalidRequestError(f"token_id={describe(token_id)} is not the id of a token")
    return int(token_id)


def _dataset_name(request: admin_pb2.UpdateDatasetRequest) -> str:
    name = line("name", request.name)
    automatic = _AUTOMATIC_NAME.fullmatch(name)
    if automatic and name != f"dsid-{request.dsid_raw}":
        raise InvalidRequestError(f"name={name!r} is kept for a dataset that nobody named yet")
    if name.isascii() and name.isdigit():
        raise InvalidRequestError(f"name={name!r} is a number, and means that dataset")
    if name.startswith(PREFIX):
        raise InvalidRequestError(f"name={name!r} is kept for the datasets of telescopes")
    return name


def plan_state(state: int) -> DatasetState:
    """Check a state.

    Raises:
        InvalidRequestError: it is none.
    """
    try:
        return DatasetState(state)
    except ValueError:
        raise InvalidRequestError(f"state={state} is none of open, frozen, retired") from None


def plan_comment(comment: str) -> str:
    """Check a comment.

    Raises:
        InvalidRequestError: it is too long, or holds NUL.
    """
    if len(comment) > COMMENT_CHARACTERS_MAX or "\0" in comment:
        raise InvalidRequestError(
            f"comment={describe(comment)} has more than {COMMENT_CHARACTERS_MAX} characters or NUL"
        )
    return comment


def line(field: str, value: str) -> str:
    """Return text of one line without spaces around it.

    Raises:
        InvalidRequestError: it is none.
    """
    if not (
        0 < len(value) <= NAME_CHARACTERS_MAX and value.isprintable() and value == value.strip()
    ):
        raise InvalidRequestError(
            told(
                "NOT_PRINTABLE",
                "{field}={value} is not 1 to {limit} printable characters",
                field=field,
                value=describe(value),
                limit=NAME_CHARACTERS_MAX,
            )
        )
    return value


def _before(token: str, form: re.Pattern[str] = _TOKEN) -> int:
    if not token:
        return NUMBER_MAX
    match = form.fullmatch(token)
    if match is None or int(match[1]) > NUMBER_MAX:
        raise InvalidRequestError(f"page_token={describe(token)} is not one of this list")
    return int(match[1])
