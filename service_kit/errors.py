"""What is wrong with a request, in the words the caller gets; mapped to a status in `statuses`."""


class InvalidRequestError(ValueError):
    """The request cannot be answered as it stands; names the field and the value."""


class MalformedRequestError(InvalidRequestError):
    """The bytes of the request are no message of the type that the contract names."""


class TooManyElementsError(MalformedRequestError):
    """A list of the message is longer than any legal one; counted before it became objects."""


class TooMuchError(Exception):
    """A caller, or all of them, have as much at once as they may; says so, with the setting."""


class StoppingError(Exception):
    """The service stops before the call is done; says what the caller may do."""


class IncompleteServiceError(Exception):
    """A service lacks a method of its contract."""


class WrongSettingError(ValueError):
    """A setting proves wrong when it is used for the first time; names its variable."""


class TokenEndedError(Exception):
    """The token of a stream is no longer good; says so to the caller."""
