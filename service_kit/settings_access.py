"""Settings that say who may call a service: TLS and tokens; `service_kit.settings` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from eventindex.limits import MESSAGE_BYTES_MAX
from service_kit.client_subjects import parse_client_subjects
from service_kit.jwt_settings import SCOPE_MAP, parse_issuers, parse_scope_map

TOKEN_CHECKS_WAITING_MAX = 1_000


class AccessSettings(BaseSettings):
    """Who may call a service."""

    tls_cert: Path | None = Field(None, description="Server certificate of the services, PEM.")
    tls_key: Path | None = Field(None, description="Key of the server certificate, PEM.")
    tls_client_ca: Path | None = Field(
        None, description="Clients must hold a certificate of this CA, PEM."
    )
    tls_client_subjects: str = Field(
        "",
        max_length=100_000,
        description="What the certificates of clients may be used for, by their subjects: "
        "<pattern>=<scope>,… such as CN=reco-*=lookup,CN=daq=lookup+ingest. No match is "
        "PERMISSION_DENIED. Without it any certificate of the CA may do everything, and in "
        "production nothing. Over HTTP calls need a token then.",
    )
    allow_plaintext: bool = Field(
        False,
        description="Allow gRPC, HTTP and metrics without TLS on addresses other than loopback, "
        "and a broker or database on another machine without it: for a container network that "
        "nobody else reaches.",
    )
    mode: Literal["development", "production"] = Field(
        "development",
        description="production: calls need a token on loopback too, and a service does not start "
        "without TLS (or EVENTINDEX_ALLOW_PLAINTEXT), where everybody may do everything, as a "
        "superuser of the database, or with a .env file; it names all that is missing.",
    )
    allow_anonymous: Literal["false", "lookup", "true"] = Field(
        "false",
        description="lookup: let everybody look up, without a token, and no more. true: let "
        "everybody who reaches a gRPC or HTTP address other than loopback do everything, for a "
        "network that nobody else reaches.",
    )
    require_tokens: bool = Field(
        False,
        description="Ask every call for a token, on loopback and beside client certificates "
        "too. Addresses that others reach ask for one anyway, unless EVENTINDEX_TLS_CLIENT_CA or "
        "EVENTINDEX_ALLOW_ANONYMOUS is set.",
    )
    calls_per_subject_max: int = Field(
        64,
        ge=1,
        le=100_000,
        description="Calls and streams that one subject, or one address where no token says who "
        "calls, has at once with each process; one more is RESOURCE_EXHAUSTED, over HTTP 429.",
    )
    request_bytes_max: int = Field(
        256 * 1024 * 1024,
        ge=MESSAGE_BYTES_MAX,
        description="Messages that a process has read and not answered yet, of all calls and "
        "streams together, bytes; one more ends its call with RESOURCE_EXHAUSTED.",
    )
    token_cache_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="How long a service remembers a token, seconds: a revoked one is refused "
        "after that at the latest.",
    )
    token_lifetime_max_s: int = Field(
        31_536_000,
        ge=1,
        le=3_153_600_000,
        description="Longest lifetime that a token may be made with, and that one of an identity "
        "provider may have, seconds.",
    )
    jwt_issuers: str = Field(
        "",
        max_length=10_000,
        description="Identity providers whose tokens (JWT, RS256 or ES256) are accepted beside "
        "those of `eventindex token`: https URLs as in the claim `iss`, separated by commas. Their "
        "keys are found by OpenID Connect Discovery; SSL_CERT_FILE names the CA of a private one.",
    )
    jwt_keys: Path | None = Field(
        None,
        description="File with the public keys (JWKS) of EVENTINDEX_JWT_ISSUERS, in place of their "
        "discovery.",
    )
    jwt_audience: str = Field(
        "",
        max_length=1_000,
        description="What a provider's token must have in its claim `aud`; needed with either of "
        "the two above.",
    )
    jwt_scope_claim: str = Field(
        "scope",
        min_length=1,
        max_length=1_000,
        description="The claim that says what a provider's token allows: words in a text, or a "
        "list. A name such as `wlcg.groups`, or a path such as `realm_access.roles`.",
    )
    jwt_scope_map: str = Field(
        SCOPE_MAP,
        max_length=100_000,
        description="Which value of that claim stands for which scope: <value>=<scope>,… with "
        "lookup, ingest or admin.",
    )

    @field_validator("allow_anonymous", mode="before")
    @classmethod
    def _as_words(cls, value: object) -> object:
        text = str(value).strip().lower()
        return {"1": "true", "yes": "true", "on": "true"}.get(
            text, "false" if text in {"", "0", "no", "off"} else text
        )

    @field_validator("jwt_keys", mode="before")
    @classmethod
    def _no_path(cls, value: object) -> object:
        # Compose and scripts set a variable that they have no value for to an empty text.
        return value or None

    @property
    def takes_jwts(self) -> bool:
        """Whether tokens of identity providers are accepted."""
        return bool(self.jwt_issuers or self.jwt_keys)

    def check_access(self) -> None:
        """See that the settings of this class go together.

        Raises:
            ValueError: they do not.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("EVENTINDEX_TLS_CERT and EVENTINDEX_TLS_KEY go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError("EVENTINDEX_TLS_CLIENT_CA needs EVENTINDEX_TLS_CERT")
        if self.tls_client_subjects and self.tls_client_ca is None:
            raise ValueError("EVENTINDEX_TLS_CLIENT_SUBJECTS needs EVENTINDEX_TLS_CLIENT_CA")
        try:
            parse_client_subjects(self.tls_client_subjects)
        except ValueError as error:
            raise ValueError(f"EVENTINDEX_TLS_CLIENT_SUBJECTS: {error}") from None
        if self.allow_anonymous == "true" and self.require_tokens:
            raise ValueError(
                "EVENTINDEX_ALLOW_ANONYMOUS and EVENTINDEX_REQUIRE_TOKENS contradict each other"
            )
        try:
            parse_scope_map(self.jwt_scope_map)
        except ValueError as error:
            raise ValueError(f"EVENTINDEX_JWT_SCOPE_MAP: {error}") from None
        try:
            issuers = parse_issuers(self.jwt_issuers)
        except ValueError as error:
            raise ValueError(f"EVENTINDEX_JWT_ISSUERS: {error}") from None
        if self.takes_jwts and not self.jwt_audience:
            raise ValueError(
                "EVENTINDEX_JWT_AUDIENCE is needed with EVENTINDEX_JWT_ISSUERS and "
                "EVENTINDEX_JWT_KEYS: without it tokens for other services would be accepted"
            )
        if self.jwt_keys and not issuers:
            raise ValueError(
                "EVENTINDEX_JWT_ISSUERS is needed with EVENTINDEX_JWT_KEYS: without it whoever "
                "signs with these keys could name itself anything"
            )
