"""Refusals of the services as errors of the client, exit codes and problem documents."""

from __future__ import annotations

import pickle

import grpc
import pytest

import eventindex
from eventindex import EventColumns, RawFile, errors
from rest_gateway.problems import from_error
from tests.support.client import fuid
from tests.support.command import run

pytestmark = pytest.mark.usefixtures("in_own_directory")


class Answer(grpc.RpcError):
    """A call that ended with a status."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "what the service said"


@pytest.mark.parametrize(
    ("code", "kind", "status", "document"),
    [
        ("CANCELLED", errors.UnavailableError, 503, "unavailable"),
        ("UNKNOWN", errors.ServerError, 502, "bad-gateway"),
        ("INVALID_ARGUMENT", errors.InvalidRequestError, 400, "invalid-request"),
        ("DEADLINE_EXCEEDED", errors.DeadlineError, 504, "timeout"),
        ("NOT_FOUND", errors.NotFoundError, 404, "not-found"),
        ("ALREADY_EXISTS", errors.NameTakenError, 409, "name-taken"),
        ("PERMISSION_DENIED", errors.ForbiddenError, 403, "forbidden"),
        ("RESOURCE_EXHAUSTED", errors.LimitError, 429, "too-many-requests"),
        ("FAILED_PRECONDITION", errors.WrongStateError, 409, "wrong-state"),
        ("ABORTED", errors.ServerError, 502, "bad-gateway"),
        ("OUT_OF_RANGE", errors.InvalidRequestError, 400, "invalid-request"),
        ("UNIMPLEMENTED", errors.UnsupportedError, 502, "bad-gateway"),
        ("INTERNAL", errors.ServerError, 502, "bad-gateway"),
        ("UNAVAILABLE", errors.UnavailableError, 503, "unavailable"),
        ("DATA_LOSS", errors.ServerError, 502, "bad-gateway"),
        ("UNAUTHENTICATED", errors.AccessError, 401, "unauthorized"),
    ],
)
def test_every_status_is_one_error(code: str, kind: type, status: int, document: str):
    """A status becomes the same error of the client and the same problem document everywhere."""
    error = errors.from_rpc_error(Answer(grpc.StatusCode[code]), "127.0.0.1:1")
    assert type(error) is kind
    of_the_request = isinstance(error, errors.InvalidRequestError | errors.NotFoundError)
    assert str(error) == ("" if of_the_request else "127.0.0.1:1: ") + "what the service said"
    # Without a cause, as after a pickle.
    problem = from_error(error)
    assert (problem.status, problem.kind) == (status, document)


def test_every_status_is_known():
    """None but those that are tried above and OK exist."""
    assert set(errors._BY_STATUS) == {one.name for one in grpc.StatusCode} - {"OK"}


@pytest.mark.usefixtures("services")
def test_a_taken_name_and_a_wrong_state():
    """The client tells them apart; a taken name is bad usage, a wrong state a failure."""
    with eventindex.connect() as client:
        files = [RawFile(fuid(1), 1), RawFile(fuid(2), 2)]
        list(client.ingest([EventColumns(files, 1, [1, 2], [1, 2])]))
        client.update_dataset(1, name="physics")
        with pytest.raises(eventindex.NameTakenError, match=r"^name='physics' is the name of"):
            client.update_dataset(2, name="physics")
        with pytest.raises(eventindex.WrongStateError, match="dsid_raw=1 is open"):
            list(client.delete_dataset(1))
        list(client.ingest([EventColumns(files, 1, [1], [2])]))
        conflict = next(client.conflicts()).conflict_id
        client.resolve_conflict(conflict, replace=False, resolved_by="anna")
        with pytest.raises(eventindex.WrongStateError, match="kept by anna"):
            client.resolve_conflict(conflict, replace=False, resolved_by="anna")
    taken = run("datasets", "rename", "2", "physics")
    assert (taken.exit_code, taken.stderr[:30]) == (2, "eventindex: name='physics' is ")
    resolved = run("conflicts", "resolve", conflict, "--keep", "--by", "anna")
    assert resolved.exit_code == 3
    assert "kept by anna" in resolved.stderr


def test_a_reason_comes_with_its_parameters(index_address: str):
    """Programs get what a sentence says as a code and values, in another process too."""
    with (
        eventindex.connect(index_address) as client,
        pytest.raises(errors.NotFoundError) as refused,
    ):
        client.get_event(424242, 7)
    error = pickle.loads(pickle.dumps(refused.value))  # ours
    assert str(error) == "run 424242 is not in the index"
    assert (error.reason, error.parameters) == ("RUN_NOT_FOUND", {"run": "424242"})
    assert errors.UnavailableError("nobody answers").reason == ""
