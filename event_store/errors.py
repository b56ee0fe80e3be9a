"""What the store says when it cannot do its work. Nothing here knows a driver or a protocol."""


class StoreUnavailableError(Exception):
    """The database cannot answer now (away, full, locked): try the same again."""


class UnansweredError(StoreUnavailableError):
    """No answer to this very request: the database is away, or this is what it cannot do.

    Whether it does other things tells which.
    """


class ReplicaBehindError(StoreUnavailableError):
    """The replica does not have yet what the caller was told is committed."""


class UnusableDatabaseError(StoreUnavailableError):
    """The database answers and cannot be served from: somebody has to change it first."""


class StoreError(Exception):
    """The database refuses this statement or its values: trying again will not help."""


class CorruptPageError(StoreError):
    """A stored page contradicts itself."""


class NotFoundError(LookupError):
    """What was asked for by name or number is not in the index."""


class UnknownCollectionError(ValueError):
    """There is no collection of this name."""


class NameTakenError(ValueError):
    """Another thing has this name, which must be unique."""


class WrongStateError(RuntimeError):
    """Not in the state that the request needs, for example an open dataset is not deleted."""
