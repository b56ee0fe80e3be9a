"""What is wrong with a request, in the words the caller gets; mapped to a status in `registry`."""


class InvalidRequestError(ValueError):
    """The request cannot be answered as it stands; names the field and the value."""
