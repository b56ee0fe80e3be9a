"""Who changed what: the record that each change by AdminService leaves."""

from __future__ import annotations

import contextlib

import grpc
import psycopg2
import pytest

from eventindex.v1 import admin_pb2
from tests.conftest import execute, query
from tests.support.admin import columns
from tests.support.admin_calls import RETIRED

RECORDED = "SELECT method, request, outcome, ended IS NOT NULL FROM admin_action ORDER BY action_id"


def test_a_change_and_its_record_are_one_transaction(admin, store, database_url):
    """A change that cannot be recorded is not made; one that is made is there with its request."""
    store.write(columns(1, [1, 2, 3], 0, 0))
    execute(
        database_url,
        "ALTER TABLE admin_action ADD CONSTRAINT none CHECK (method <> 'SetCriterion') NOT VALID",
    )
    with pytest.raises(grpc.RpcError):
        admin.SetCriterion(criterion=admin_pb2.Criterion(bit=1, name="muon"))
    assert query(database_url, "SELECT * FROM olt_criterion") == []
    execute(database_url, "ALTER TABLE admin_action DROP CONSTRAINT none")
    admin.SetCriterion(criterion=admin_pb2.Criterion(bit=1, name="muon"))
    with pytest.raises(grpc.RpcError):
        admin.UpdateDataset(dsid_raw=99, name="nothing")
    admin.UpdateDataset(dsid_raw=1, state=RETIRED)
    list(admin.DeleteDataset(dsid_raw=1))
    set_it, failed, _, deleted = query(database_url, RECORDED)
    assert (set_it[0], set_it[2:]) == ("SetCriterion", ("OK", True))
    assert "muon" in set_it[1]
    assert failed[0] == "UpdateDataset"
    assert failed[2].startswith("NOT_FOUND: ")
    assert deleted == ("DeleteDataset", '{"dsidRaw": 1}', "OK", True)


def test_actions_are_listed_with_their_subject(admin, database_url):
    """The newest comes first, by pages, by method; what only reads leaves no record."""
    for name in ("first", "second"):
        admin.CreateCollection(name=name)
    admin.ListCriteria()
    page = admin.ListAdminActions(page_size=1)
    assert [one.method for one in page.actions] == ["CreateCollection"]
    assert "second" in page.actions[0].request
    assert page.actions[0].peer.startswith("ipv")
    rest = admin.ListAdminActions(page_size=1, page_token=page.next_page_token)
    assert "first" in rest.actions[0].request
    assert rest.next_page_token == ""
    assert len(admin.ListAdminActions(method="CreateCollection").actions) == 2
    assert admin.ListAdminActions(subject="anna").actions == []
    for wrong in ({"method": "Nothing"}, {"page_token": "letter-1"}, {"page_size": 20_000}):
        with pytest.raises(grpc.RpcError) as refused:
            admin.ListAdminActions(**wrong)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM admin_action WHERE request LIKE '%eix_%'")
        assert cursor.fetchone() == (0,)


def test_every_method_that_changes_something_leaves_a_record(admin, database_url):
    """Also one that was refused; a new method is among them, or is named as one that reads."""
    reading = {"ListCriteria", "ListDeadLetters", "GetDeadLetter", "Verify", "ListTokens",
               "ListAdminActions", "IngestStatus"}  # fmt: skip
    # Turned away at the door: whoever has no token makes none, on loopback neither.
    strangers = {"CreateToken", "RevokeToken"}
    methods = {
        method.name for method in admin_pb2.DESCRIPTOR.services_by_name["AdminService"].methods
    }
    assert reading <= methods
    for name in sorted(methods):
        with contextlib.suppress(grpc.RpcError):
            answer = getattr(admin, name)()
            list(answer if hasattr(answer, "cancel") else ())
    recorded = {name for (name,) in query(database_url, "SELECT method FROM admin_action")}
    assert recorded == methods - reading - strangers
