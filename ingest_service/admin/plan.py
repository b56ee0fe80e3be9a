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
from service_kit import checks
from service_kit.errors import InvalidRequestError

NAME_CHARACTERS_MAX = 255
COMMENT_CHARACTERS_MAX = 4_000
_BIT_MAX = 63
_TOKEN_ID = re.compile(r"[0-9]{1,19}")
_NUMBER_OR_MASK = re.compile(r"[0-9]+|0[xX].*")
_AUTOMATIC_NAME = re.compile(r"dsid-([0-9]+)")


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
        raise InvalidRequestError(
            told("NOTHING_TO_CHANGE_DATASET", "nothing to change: give name, state or comment")
        )
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
        raise InvalidRequestError(
            told(
                "NOT_A_RESOLUTION",
                "resolution={resolution} is neither KEEP nor REPLACE",
                resolution=request.resolution,
            )
        )
    number = checks.number("conflict_id", request.conflict_id)
    return number, line("resolved_by", caller or request.resolved_by)


def plan_criterion(request: admin_pb2.SetCriterionRequest) -> Criterion:
    """Check the name of a bit.

    Raises:
        InvalidRequestError: no such bit or run, or a name that cannot be one.
    """
    criterion = request.criterion
    if not request.HasField("criterion"):
        raise InvalidRequestError(told("CRITERION_MISSING", "criterion is missing"))
    if criterion.bit > _BIT_MAX:
        raise InvalidRequestError(
            told("BIT_ABOVE_LIMIT", "bit={bit} is above {limit}", bit=criterion.bit, limit=_BIT_MAX)
        )
    checks.number("run_first", criterion.run_first)
    name = line("name", criterion.name)
    if _NUMBER_OR_MASK.fullmatch(name):
        raise InvalidRequestError(
            told(
                "CRITERION_NAME_IS_NUMBER",
                "name={name} is a number or a mask, which mean bits",
                name=repr(name),
            )
        )
    return Criterion(criterion.bit, criterion.run_first, name)


def plan_criterion_gone(request: admin_pb2.DeleteCriterionRequest) -> tuple[int, int | None]:
    """Check which names of a bit are to be taken away: the bit, and the run or None for all.

    Raises:
        InvalidRequestError: no such bit or run.
    """
    if request.bit > _BIT_MAX:
        raise InvalidRequestError(
            told("BIT_ABOVE_LIMIT", "bit={bit} is above {limit}", bit=request.bit, limit=_BIT_MAX)
        )
    if not request.HasField("run_first"):
        return request.bit, None
    return request.bit, checks.number("run_first", request.run_first)


def plan_token(request: admin_pb2.CreateTokenRequest, lifetime_max_s: int) -> TokenPlan:
    """Check a token to be made.

    Raises:
        InvalidRequestError: a subject, scope or lifetime that cannot be.
    """
    subject = line("subject", request.subject)
    if not request.scopes:
        raise InvalidRequestError(
            told("NO_SCOPES", "scopes is empty: give some of {choices}", choices=", ".join(Scope))
        )
    for scope in request.scopes:
        if scope not in list(Scope):
            raise InvalidRequestError(
                told(
                    "NOT_A_SCOPE",
                    "scopes={scope} is none of {choices}",
                    scope=describe(scope),
                    choices=", ".join(Scope),
                )
            )
    if not 1 <= request.lifetime_seconds <= lifetime_max_s:
        raise InvalidRequestError(
            told(
                "LIFETIME_OUT_OF_RANGE",
                "lifetime_seconds={value} is not 1 to {limit}",
                value=request.lifetime_seconds,
                limit=lifetime_max_s,
            )
        )
    scopes = [str(scope) for scope in Scope if scope in request.scopes]
    return TokenPlan(subject, scopes, request.lifetime_seconds)


def plan_token_id(token_id: str) -> int:
    """Check the id of a token.

    Raises:
        InvalidRequestError: it is not one.
    """
    if not _TOKEN_ID.fullmatch(token_id) or int(token_id) > NUMBER_MAX:
        raise InvalidRequestError(
            told("NOT_A_TOKEN_ID", "token_id={id} is not the id of a token", id=describe(token_id))
        )
    return int(token_id)


def _dataset_name(request: admin_pb2.UpdateDatasetRequest) -> str:
    name = line("name", request.name)
    automatic = _AUTOMATIC_NAME.fullmatch(name)
    if automatic and name != f"dsid-{request.dsid_raw}":
        raise InvalidRequestError(
            told(
                "NAME_KEPT_FOR_UNNAMED",
                "name={name} is kept for a dataset that nobody named yet",
                name=repr(name),
            )
        )
    if name.isascii() and name.isdigit():
        raise InvalidRequestError(
            told(
                "DATASET_NAME_IS_NUMBER",
                "name={name} is a number, and means that dataset",
                name=repr(name),
            )
        )
    if name.startswith(PREFIX):
        raise InvalidRequestError(
            told(
                "NAME_KEPT_FOR_TELESCOPES",
                "name={name} is kept for the datasets of telescopes",
                name=repr(name),
            )
        )
    return name


def plan_state(state: int) -> DatasetState:
    """Check a state.

    Raises:
        InvalidRequestError: it is none.
    """
    try:
        return DatasetState(state)
    except ValueError:
        raise InvalidRequestError(
            told("NOT_A_NEW_STATE", "state={state} is none of open, frozen, retired", state=state)
        ) from None


def plan_comment(comment: str) -> str:
    """Check a comment.

    Raises:
        InvalidRequestError: it is too long, or holds NUL.
    """
    if len(comment) > COMMENT_CHARACTERS_MAX or "\0" in comment:
        raise InvalidRequestError(
            told(
                "COMMENT_TOO_LONG",
                "comment={comment} has more than {limit} characters or NUL",
                comment=describe(comment),
                limit=COMMENT_CHARACTERS_MAX,
            )
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
