"""Tokens of `eventindex token` checked: what the database says of them, asked for many at a time.

A bounded number of unknown ones waits, so that guesses hold up nobody; what is remembered is
bounded too, and guesses push nothing out of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from event_store.admin import tokens
from event_store.admin.tokens import AccessToken
from event_store.database.connection import Connection
from event_store.database.threads import DatabaseThreads
from event_store.errors import StoreError, StoreUnavailableError, UnusableDatabaseError
from service_kit.callers import AWAY, FAILED, NOT_VALID, TOO_MANY, Caller, Refusal
from service_kit.settings import Settings
from service_kit.settings_access import TOKEN_CHECKS_WAITING_MAX

log = logging.getLogger(__name__)

_TOKENS_CACHED_MAX = 10_000
# One question to the database.
_DIGESTS_MAX = 256
_HOUR_S = 3600


class TooManyChecksError(Exception):
    """More tokens wait to be checked than may."""


class OpaqueTokens:
    """Tells who bears a token of the database."""

    def __init__(self, settings: Settings) -> None:
        # A connection of its own: calls that keep the others busy must not delay this check.
        self._threads = DatabaseThreads(
            settings.database_url.get_secret_value(),
            settings.store_options,
            1,
            name="eventindex tokens",
        )
        self._finder = Finder(self._find)
        self._cache = TokenCache(self._finder.find, settings.token_cache_s)
        self._cache_s = settings.token_cache_s
        # Token to the hour in which its use was noted.
        self._noted: dict[int, int] = {}

    def close(self) -> None:
        """Let a running question to the database end."""
        self._threads.close()

    async def check(self, secret: str) -> Caller | Refusal:
        """Return who bears a secret."""
        try:
            token, asked_again = await self._cache.get_until(tokens.digest_of(secret))
        except TooManyChecksError:
            return TOO_MANY
        except (StoreError, UnusableDatabaseError) as error:
            log.warning("tokens cannot be checked: %s", error)
            return FAILED
        except StoreUnavailableError as error:
            log.warning("tokens cannot be checked, the database is away: %s", error)
            return AWAY
        if token is None or token.revoked is not None or token.expires.timestamp() <= time.time():
            return NOT_VALID
        return Caller(token.subject, token.scopes, token.expires.timestamp(), asked_again)

    async def _find(self, digests: Sequence[bytes]) -> dict[bytes, AccessToken]:
        found = await self._threads.run(partial(tokens.find, digests=digests))
        now = time.time()
        used = [token.token_id for token in found.values() if self._is_news(token, now)]
        if used:
            await self._note_used(used, int(now // _HOUR_S))
        return found

    def _is_news(self, token: AccessToken, now: float) -> bool:
        """Return whether a use of a token is to be noted: once an hour."""
        if token.revoked is not None or token.expires.timestamp() <= now:
            return False
        noted = 0 if token.last_used is None else int(token.last_used.timestamp() // _HOUR_S)
        return max(noted, self._noted.get(token.token_id, 0)) < int(now // _HOUR_S)

    async def _note_used(self, token_ids: Sequence[int], hour: int) -> None:
        """Note a use; where that cannot be done nobody waits for it or is refused."""
        self._noted = {key: value for key, value in self._noted.items() if value == hour}
        self._noted.update(dict.fromkeys(token_ids, hour))

        def work(connection: Connection) -> None:
            try:
                tokens.note_used(connection, token_ids)
            except (StoreError, StoreUnavailableError) as error:
                log.info("the use of tokens is not noted: %s", error)

        await self._threads.run(work)


class Finder:
    """Asks the database for many digests at once; answers each of those who asked."""

    def __init__(
        self, ask: Callable[[Sequence[bytes]], Awaitable[dict[bytes, AccessToken]]]
    ) -> None:
        self._ask = ask
        self._waiting: dict[bytes, asyncio.Future[AccessToken | None]] = {}
        # Digests of tokens that exist. These always find room: there are only so many.
        self._real: set[bytes] = set()
        self._running: asyncio.Task[None] | None = None

    async def find(self, digest: bytes) -> AccessToken | None:
        """Return the token with a digest.

        Raises:
            TooManyChecksError: too many that are not known wait already.
            StoreUnavailableError, StoreError: the database does not tell.
        """
        if len(self._waiting) >= TOKEN_CHECKS_WAITING_MAX and digest not in self._real:
            raise TooManyChecksError
        answer = self._waiting.get(digest)
        if answer is None:
            answer = self._waiting[digest] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asyncio.shield(answer)

    async def _run(self) -> None:
        try:
            while self._waiting:
                real = [digest for digest in self._waiting if digest in self._real]
                others = [digest for digest in self._waiting if digest not in self._real]
                await self._answer([*real, *others][:_DIGESTS_MAX])
        finally:
            self._running = None

    async def _answer(self, digests: Sequence[bytes]) -> None:
        error: Exception | None = None
        found: dict[bytes, AccessToken] = {}
        try:
            found = await self._ask(digests)
        except Exception as problem:  # noqa: BLE001  # raised again to those who asked
            error = problem
        for digest in digests:
            answer = self._waiting.pop(digest)
            if error is not None:
                answer.set_exception(error)
                answer.exception()  # nobody may be there any more
                continue
            self._remember(digest, exists=digest in found)
            answer.set_result(found.get(digest))

    def _remember(self, digest: bytes, *, exists: bool) -> None:
        if not exists:
            self._real.discard(digest)
        elif len(self._real) < _TOKENS_CACHED_MAX:
            self._real.add(digest)


class TokenCache:
    """Remembers for a bounded time what the database says of a token.

    What it does not know is not remembered: guesses push nothing out.
    """

    def __init__(
        self, read: Callable[[bytes], Awaitable[AccessToken | None]], seconds_max: float
    ) -> None:
        self._read = read
        self._seconds_max = seconds_max
        self._known: dict[bytes, tuple[float, AccessToken]] = {}
        self._asked: dict[bytes, asyncio.Task[tuple[float, AccessToken | None]]] = {}

    async def get(self, digest: bytes) -> AccessToken | None:
        """Return the token with a digest, as it was at most `seconds_max` ago.

        Raises:
            StoreUnavailableError: it is not remembered and the database does not answer.
        """
        return (await self.get_until(digest))[0]

    async def get_until(self, digest: bytes) -> tuple[AccessToken | None, float]:
        """Return the same, and until when it is remembered; raises the same."""
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[0]:
            return known[1], known[0]
        # Calls of one client arrive together and share one query, which goes on when the call that
        # started it is cancelled.
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = asyncio.create_task(self._ask(digest))
        until, token = await asyncio.shield(asked)
        return token, until

    async def _ask(self, digest: bytes) -> tuple[float, AccessToken | None]:
        until = time.monotonic() + self._seconds_max
        try:
            token = await self._read(digest)
        finally:
            del self._asked[digest]
        self._known.pop(digest, None)
        if token is not None:
            while len(self._known) >= _TOKENS_CACHED_MAX:
                del self._known[next(iter(self._known))]
            self._known[digest] = until, token
        return until, token
