"""What an error of PostgreSQL means for who asked, by its SQLSTATE. Pure: no I/O, no driver.

The one table of SQLSTATEs. What is not in it is refused: a statement that cannot work, taken for a
database that is away, would be tried for ever.
"""

from __future__ import annotations

from enum import Enum


class Meaning(Enum):
    """What to do about an error.

    Attributes:
        AWAY: this session is of no more use; the same may work on a new one.
        BUSY: the same may work in a moment, on this session too.
        DAMAGED: what is stored cannot be read.
        REFUSED: this statement with these values will not work.
    """

    AWAY = "away"
    BUSY = "busy"
    DAMAGED = "damaged"
    REFUSED = "refused"


_CODES = {
    # The server may be read now and not written: it was demoted, or never the primary. A new
    # connection may find the primary.
    "25006": Meaning.AWAY,
    # idle_in_transaction_session_timeout, transaction_timeout: the server ended the session.
    "25P03": Meaning.AWAY,
    "25P04": Meaning.AWAY,
    # A prepared statement is not there: a pooler gave this session another's backend.
    "26000": Meaning.AWAY,
    "40002": Meaning.REFUSED,  # an integrity constraint, checked at the commit
    "53400": Meaning.REFUSED,  # a configured limit, such as temp_file_limit
    "55006": Meaning.BUSY,  # object_in_use
    "55P03": Meaning.BUSY,  # lock_not_available: lock_timeout
    "57014": Meaning.BUSY,  # query_canceled
    # idle_session_timeout, and a server that stops, crashed, starts, or lost its database.
    "57P01": Meaning.AWAY,
    "57P02": Meaning.AWAY,
    "57P03": Meaning.AWAY,
    "57P04": Meaning.AWAY,
    "57P05": Meaning.AWAY,
    "58P01": Meaning.DAMAGED,  # undefined_file: of a table
    "XX001": Meaning.DAMAGED,
    "XX002": Meaning.DAMAGED,
}
_CLASSES = {
    "08": Meaning.AWAY,  # connection exception
    "40": Meaning.BUSY,  # serialization failure, deadlock
    "53": Meaning.BUSY,  # disk full, out of memory, too many connections
    "57": Meaning.BUSY,  # operator intervention
    "58": Meaning.BUSY,  # errors of the system below the server
    "72": Meaning.BUSY,  # snapshot too old
}


def meaning(code: str) -> Meaning:
    """Return what a SQLSTATE means."""
    return _CODES.get(code) or _CLASSES.get(code[:2]) or Meaning.REFUSED
