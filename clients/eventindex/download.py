"""One stream of answers to one request, opened again from where it stopped.

Never knows what the answers mean: who opens the call says where it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from eventindex.channel import check_process, retrying
from eventindex.errors import AccessError, TokenEndedError, UnavailableError
from eventindex.silence import Call, SilenceWatch
from eventindex.stream import StreamLimits

A = TypeVar("A")


def download(
    open_call: Callable[[], Call[A]], limits: StreamLimits, address: str, *, resumes: bool
) -> Generator[A, None, None]:
    """Yield the answers of a stream until it ends in good order.

    Args:
        open_call: opens the call; where `resumes`, behind the last answer that was yielded.
        limits: longest wait for one answer, and how long a server that is away is tried again.
        address: the server, for messages.
        resumes: open the call again when it breaks between answers. Otherwise it is opened again
            only as long as nothing has come.

    Raises:
        EventIndexError: the server refused, failed, is away for too long, or is silent.
    """
    watch: SilenceWatch[A] = SilenceWatch(limits.answer_seconds_max, address)
    call: Call[A] | None = None

    def receive() -> A | None:
        nonlocal call
        check_process()
        if call is None:
            call = open_call()
        try:
            return watch.receive(call)
        except (UnavailableError, TokenEndedError):
            call = None
            raise

    def received() -> A | None:
        """Receive, once more with a newer token where the one of the call ended."""
        try:
            return receive()
        except TokenEndedError as error:
            if started and not resumes:
                raise
            ended = error
        try:
            return receive()
        except TokenEndedError:
            raise AccessError(str(ended)) from ended

    retry = retrying(limits.retry_seconds_max)
    started = False
    try:
        while True:
            try:
                answer = received()
            except UnavailableError:
                if started and not resumes:
                    raise
                answer = retry(received)
            if answer is None:
                return
            started = True
            yield answer
    finally:
        watch.close()
