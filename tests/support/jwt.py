"""An identity provider's keys, and tokens signed with them, good ones and others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://iam.example.org/spd"
AUDIENCE = "https://eventindex.example.org"
ALGORITHMS = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm}


def new_key(algorithm: str) -> Any:
    """A private key of the kind that an algorithm signs with."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """A provider with a key for each algorithm; its file of public keys is `path`."""

    def __init__(self, path: Path, name: str = ISSUER) -> None:
        self.path = path
        self.name = name
        self.keys = {algorithm: new_key(algorithm) for algorithm in ALGORITHMS}
        self.write()

    def write(self) -> None:
        """Publish the keys of now."""
        self.path.write_text(json.dumps(self.jwks()))

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return {
            "keys": [
                ALGORITHMS[name].to_jwk(key.public_key(), as_dict=True)
                | {"kid": self.key_id(name), "use": "sig"}
                for name, key in self.keys.items()
            ]
        }

    def key_id(self, algorithm: str) -> str:
        """The name of a key: another key has another one."""
        public = (
            self.keys[algorithm]
            .public_key()
            .public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return hashlib.sha256(public).hexdigest()[:16]

    def claims(self, *scopes: str, **changes: Any) -> dict[str, Any]:
        """What a token says; a claim that is changed to None is left out."""
        now = int(time.time())
        whole = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": "anna",
            "iat": now,
            "exp": now + 600,
            "scope": " ".join(["openid", *(f"eventindex.{scope}" for scope in scopes)]),
        } | changes
        return {name: value for name, value in whole.items() if value is not None}

    def token(
        self, *scopes: str, algorithm: str = "RS256", headers: dict[str, Any] | None = None,
        **changes: Any,
    ) -> str:  # fmt: skip
        """A signed token."""
        heads = {"kid": self.key_id(algorithm)} | (headers or {})
        claims = self.claims(*scopes, **changes)
        return jwt.encode(claims, self.keys[algorithm], algorithm, headers=heads)

    def forged(self, header: dict[str, Any], *scopes: str) -> str:
        """A token without a signature, or with an HMAC of the public key: anybody can make one.

        `header` says what it claims to be.
        """
        parts = [header | {"kid": self.key_id("RS256")}, self.claims(*scopes)]
        text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        secret = (
            self.keys["RS256"]
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        mac = hmac.new(secret, text.encode(), "sha256").digest()
        return f"{text}.{encoded(mac) if header['alg'] != 'none' else ''}"


def encoded(data: bytes) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
