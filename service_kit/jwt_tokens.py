"""Signed tokens checked: the key by the issuer, the rest by the rules. Never asks a database."""

from __future__ import annotations

import hashlib
import logging
import time

from service_kit.callers import KEYS_AWAY, Caller, Refusal, not_valid
from service_kit.errors import WrongSettingError
from service_kit.jwt_keys import IssuerKeys, KeysAwayError, keys_of_file, keys_of_issuer
from service_kit.jwt_rules import JwtRules, UnfitTokenError, heading_of, verified
from service_kit.jwt_settings import parse_issuers, parse_scope_map
from service_kit.settings import Settings

log = logging.getLogger(__name__)

_TOKENS_CACHED_MAX = 10_000


class JwtTokens:
    """Tells who bears a signed token; remembers good ones as long as opaque ones are."""

    def __init__(self, settings: Settings) -> None:
        """Read the key file, where one is set.

        Raises:
            WrongSettingError: it cannot be used.
        """
        self._rules = JwtRules(
            parse_issuers(settings.jwt_issuers),
            settings.jwt_audience,
            settings.jwt_scope_claim,
            parse_scope_map(settings.jwt_scope_map),
            settings.token_lifetime_max_s,
        )
        self._cache_s = settings.token_cache_s
        self._known: dict[bytes, Caller] = {}
        self._of_file: IssuerKeys | None = None
        if settings.jwt_keys is not None:
            fetch = keys_of_file(settings.jwt_keys)
            try:
                fetch()
            except (OSError, ValueError, RecursionError) as error:
                raise WrongSettingError(f"EVENTINDEX_JWT_KEYS: {error}") from error
            self._of_file = IssuerKeys(str(settings.jwt_keys), fetch)
        else:
            self._of_issuers = {
                issuer: IssuerKeys(issuer, keys_of_issuer(issuer)) for issuer in self._rules.issuers
            }

    async def check(self, text: str) -> Caller | Refusal:
        """Return who bears a token."""
        digest = hashlib.sha256(text.encode()).digest()
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known.asked_again and time.time() < known.ends:
            return known
        try:
            found = await self._verified(text)
        except UnfitTokenError as error:
            self._known.pop(digest, None)
            return not_valid(str(error))
        except KeysAwayError:
            return KEYS_AWAY
        self._known.pop(digest, None)
        while len(self._known) >= _TOKENS_CACHED_MAX:
            del self._known[next(iter(self._known))]
        self._known[digest] = found
        return found

    async def _verified(self, text: str) -> Caller:
        heading = heading_of(text, self._rules)
        key = await (self._of_file or self._of_issuers[heading.issuer]).find(heading)
        if key is None:
            raise UnfitTokenError("its key is not known")
        return verified(text, key, self._rules, time.monotonic() + self._cache_s)
