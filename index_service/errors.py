"""What is wrong with a request, in the words the caller gets; mapped to a status in `registry`."""

from event_store.errors import NotFoundError
from service_kit.errors import InvalidRequestError

__all__ = ["InvalidRequestError", "NotFoundError"]
