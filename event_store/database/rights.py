"""What each service may do, by table: granted when a database is migrated, checked at a start.

Pure: no I/O, no driver.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

Rights = Mapping[str, Collection[str]]

READ = ("SELECT",)
_CHANGE = ("SELECT", "INSERT", "UPDATE")
_ALL = (*_CHANGE, "DELETE")

# Its digests are read through a function: no service may list them.
TOKENS = "access_token"
TOKEN_FUNCTIONS = ("find_access_tokens(bytea[])", "note_access_tokens_used(bigint[])")

# What AdminService may do with single columns, of tables that are listed below as well: make, list
# and revoke tokens; say how an action ended, and change nothing else of the record.
COLUMN_RIGHTS: Mapping[str, Mapping[str, Collection[str]]] = {
    TOKENS: {
        "SELECT": (
            "token_id", "subject", "scopes", "created", "expires", "revoked", "created_by",
            "last_used",
        ),
        "INSERT": ("digest", "subject", "scopes", "expires", "created_by"),
        "UPDATE": ("revoked",),
    },
    "admin_action": {"UPDATE": ("outcome", "ended")},
}  # fmt: skip

# For people with `psql`: whoever may look up may select from them.
VIEWS = ("events", "collection_events")

# Of every service, to see that the schema is its own.
MIGRATIONS = "schema_migration"

READER_RIGHTS: Rights = {
    "run": READ,
    "event_page": READ,
    "dataset": READ,
    "dataset_version": READ,
    "collection": READ,
    "raw_file": READ,
    "event_conflict": READ,
    "cosmic_event": READ,
    "olt_criterion": READ,
    "file_info": READ,
    "file_info_version": READ,
}
WRITER_RIGHTS: Rights = {
    "run": _ALL,
    "event_page": _ALL,
    "collection": _ALL,
    "dataset": _ALL,
    "dataset_version": ("SELECT", "UPDATE"),
    "raw_file": _ALL,
    "event_conflict": _ALL,
    "dead_letter": ("SELECT", "INSERT", "DELETE"),
    "dead_letter_size": READ,
    "cosmic_event": _ALL,
    "olt_criterion": _CHANGE,
    TOKENS: _CHANGE,
    "broker_session": _ALL,
    "detector_heard": _CHANGE,
    "admin_action": _CHANGE,
    "file_info": _CHANGE,
    "file_info_version": ("SELECT", "UPDATE"),
    "file_info_replaced": ("SELECT", "INSERT"),
}
GATEWAY_RIGHTS: Rights = {"http_job": _ALL, "http_job_chunk": _ALL}
