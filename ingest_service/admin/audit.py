"""Every call of AdminService that changes something leaves a record of who made it.

The record is committed in the transaction of the change; how the call ended is noted behind it.
Never holds a secret: none of the requests has one.
"""

from __future__ import annotations

import inspect
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from event_store.admin import actions
from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreError, StoreUnavailableError
from ingest_service.admin.door import SERVICE, AdminDoor
from service_kit import calls
from service_kit.auth import caller_subject
from service_kit.registry import methods
from service_kit.statuses import code_and_text

log = logging.getLogger(__name__)

T = TypeVar("T")

_REQUEST_CHARACTERS_MAX = 4_096
_READING = ("List", "Get", "Verify", "IngestStatus")
# What it changes is committed by the pipeline: the record is there before.
_ELSEWHERE = frozenset({"ReplayDeadLetter"})

_action: ContextVar[actions.Action | None] = ContextVar("action", default=None)


class AuditedThreads(DatabaseThreads):
    """Lets each transaction of a call record the call before it commits."""

    async def run(self, work: Callable[[Connection], T], *, repeatable: bool = True) -> T:
        """Run `work` as others do."""
        action = _action.get()
        if action is None:
            return await super().run(work, repeatable=repeatable)

        def recorded(connection: Connection) -> T:
            connection.before_commit = partial(actions.note, action=action)
            try:
                return work(connection)
            finally:
                connection.before_commit = None

        return await super().run(recorded, repeatable=repeatable)


def audited(door: AdminDoor, threads: DatabaseThreads) -> SimpleNamespace:
    """Return the methods of the service, those that change something with a record.

    Raises:
        IncompleteServiceError: one is not there.
    """
    return SimpleNamespace(
        **{name: _method(name, call, threads) for name, call in methods(SERVICE, door).items()}
    )


def _method(name: str, call: Callable[..., Any], threads: DatabaseThreads) -> Callable[..., Any]:
    if name.startswith(_READING):
        return call
    if inspect.isasyncgenfunction(call):

        async def stream(request: Message) -> AsyncIterator[Any]:
            action = _make(name, request, actions.UNFINISHED)
            try:
                with _recording(action):
                    async for response in call(request):
                        yield response
            except Exception as error:
                await _end(threads, action, _failure(name, error))
                raise
            await _end(threads, action, actions.OK)

        return stream

    async def unary(request: Message) -> Any:
        before = name in _ELSEWHERE
        action = _make(name, request, actions.UNFINISHED if before else actions.OK)
        if before:
            await threads.run(partial(actions.begin, action=action))
        try:
            with _recording(action):
                response = await call(request)
        except Exception as error:
            await _end(threads, action, _failure(name, error))
            raise
        await _end(threads, action, actions.OK)
        return response

    return unary


def _failure(method: str, error: Exception) -> str:
    code, text = code_and_text(method, error)
    return f"{code.name}: {text}"


def _make(method: str, request: Message, outcome: str) -> actions.Action:
    text = MessageToJson(request, indent=None).replace("\0", "")
    if len(text) > _REQUEST_CHARACTERS_MAX:
        text = text[:_REQUEST_CHARACTERS_MAX] + "…"
    return actions.Action(uuid.uuid4(), caller_subject(), calls.peer(), method, text, outcome)


@contextmanager
def _recording(action: actions.Action) -> Iterator[None]:
    # Set and not reset: a stream may be closed in another context, and the call ends with it.
    _action.set(action)
    yield
    _action.set(None)


async def _end(threads: DatabaseThreads, action: actions.Action, outcome: str) -> None:
    """Note how a call ended; where that cannot be noted the log has it."""
    _action.set(None)
    log.info("%s by %r: %s", action.method, action.subject or action.peer, outcome)
    try:
        await threads.run(partial(actions.end, action=action, outcome=outcome))
    except (StoreError, StoreUnavailableError) as error:
        log.warning("how %s ended could not be recorded: %s", action.method, error)
