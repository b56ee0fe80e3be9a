"""What the store says when it cannot do its work. Nothing here knows a driver or a protocol."""


class StoreUnavailableError(Exception):
    """The database cannot answer now (away, full, locked, not migrated): try the same again."""


class StoreError(Exception):
    """The database refuses these very values: trying the same again will not help."""


class CorruptPageError(StoreError):
    """A stored page contradicts itself."""
