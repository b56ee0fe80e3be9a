"""An OpenID Connect provider as a test needs one: Authlib's, over TLS, in this process.

Authorization codes with PKCE alone, for one public client; access tokens are JWTs of
`tests.support.jwt`.
"""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.flask_oauth2.requests import FlaskOAuth2Request
from authlib.oauth2.rfc6749 import (
    AuthorizationCodeGrant,
    AuthorizationCodeMixin,
    ClientMixin,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from joserfc.jwk import RSAKey
from jwt.algorithms import RSAAlgorithm
from werkzeug.serving import make_server

from eventindex import certificates
from tests.support.jwt import Issuer

CLIENT_ID = "eventindex-page"


class _Client(ClientMixin):
    """The web page."""

    def __init__(self, redirect_uri: str) -> None:
        self._redirect_uri = redirect_uri

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self._redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self._redirect_uri

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none" and endpoint == "token"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"authorization_code", "refresh_token"}


class _Code(dict[str, Any], AuthorizationCodeMixin):
    """A code that waits for its page."""

    def get_redirect_uri(self) -> str:
        return str(self["redirect_uri"])

    def get_scope(self) -> str:
        return str(self["scope"])

    def check_client(self, _: ClientMixin) -> bool:
        return True

    def get_nonce(self) -> Any:
        return self["nonce"]

    def get_auth_time(self) -> int:
        return int(self["auth_time"])

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        # As CodeChallenge asks for it.
        return self[name]


class OidcProvider:
    """A provider, what it hands out, and how its users are remembered.

    Attributes:
        url: the issuer.
        scope: what its tokens allow.
        lifetime_s: of its tokens.
        issued: the access tokens, in order.
        same_site: of its cookie; with "Lax" a frame of another site is without it.
        refreshes: whether tokens come with one to renew them by.
        sessions: who is signed in, by their cookie.
    """

    def __init__(self, directory: Path) -> None:
        self.scope = "lookup"
        self.lifetime_s = 600
        self.issued: list[str] = []
        self.same_site = "None"
        self.refreshes = False
        self.refreshed = 0
        self.sessions: dict[str, str] = {}
        self.client: _Client | None = None
        self._codes: dict[str, _Code] = {}
        authority = certificates.certificate_authority(directory)
        self.ca = directory / "ca.pem"
        pair = certificates.server_certificate(authority, ["localhost"], 2)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificates.write_pair(directory, "server", pair))
        self._server = make_server("localhost", 0, self._app(), threaded=True, ssl_context=context)
        self.url = f"https://localhost:{self._server.server_port}"
        self.issuer = Issuer(directory / "jwks.json", self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def register(self, gateway_url: str) -> None:
        """Make a page its client."""
        self.client = _Client(f"{gateway_url}/sign-in")

    def close(self) -> None:
        """Go away."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _app(self) -> flask.Flask:
        app = flask.Flask(__name__)
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": 600}
        server = AuthorizationServer(
            app, query_client=lambda _: self.client, save_token=lambda *_: None
        )
        server.register_token_generator("default", self._token)
        server.register_grant(self._refreshing())
        server.register_grant(self._grant(), [CodeChallenge(required=True), self._openid()])

        @app.get("/.well-known/openid-configuration")
        def description() -> Any:
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "end_session_endpoint": f"{self.url}/leave",
                "jwks_uri": f"{self.url}/keys",
            }

        @app.get("/keys")
        def keys() -> Any:
            return self.issuer.jwks()

        @app.route("/authorize", methods=["GET", "POST"])
        def authorize() -> Any:
            asked = flask.request.args
            assert self.client is not None
            assert self.client.check_redirect_uri(asked["redirect_uri"])
            user = self.sessions.get(flask.request.cookies.get("session", ""))
            if user is None and asked.get("prompt") == "none":
                back = f"{asked['redirect_uri']}?error=login_required&state={asked['state']}"
                return flask.redirect(back)
            grant = server.get_consent_grant(end_user=user)
            if user is None and flask.request.method == "GET":
                return "<form method=post><button name=user value=anna>I am Anna</button></form>"
            user = user or flask.request.form["user"]
            answer = server.create_authorization_response(grant=grant, grant_user=user)
            session = secrets.token_hex()
            self.sessions[session] = user
            answer.set_cookie("session", session, secure=True, samesite=self.same_site)
            return answer

        @app.route("/token", methods=["POST", "OPTIONS"])
        def token() -> Any:
            answer = flask.make_response(server.create_token_response())
            answer.headers["Access-Control-Allow-Origin"] = flask.request.headers["Origin"]
            return answer

        @app.get("/leave")
        def leave() -> Any:
            self.sessions.clear()
            return flask.redirect(flask.request.args["post_logout_redirect_uri"])

        return app

    def _token(self, **_: Any) -> dict[str, Any]:
        ends = int(time.time()) + self.lifetime_s
        made = self.issuer.token(self.scope, exp=ends, jti=secrets.token_hex())
        self.issued.append(made)
        more = {"refresh_token": secrets.token_hex()} if self.refreshes else {}
        return more | {
            "token_type": "Bearer", "access_token": made, "expires_in": self.lifetime_s,
            "scope": f"openid eventindex.{self.scope}",
        }  # fmt: skip

    def _refreshing(self) -> type[RefreshTokenGrant]:
        provider = self

        class Grant(RefreshTokenGrant):  # type: ignore[misc]  # Authlib is not typed
            TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, _: str) -> _Code:
                provider.refreshed += 1
                return _Code(scope=f"openid eventindex.{provider.scope}")

            def authenticate_user(self, _: _Code) -> str:
                return "anna"

            def revoke_old_credential(self, _: _Code) -> None:
                pass

        return Grant

    def _grant(self) -> type[AuthorizationCodeGrant]:
        codes = self._codes

        class Grant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib is not typed
            TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

            def save_authorization_code(self, code: str, request: FlaskOAuth2Request) -> None:
                payload = request.payload
                codes[code] = _Code(
                    user=request.user,
                    redirect_uri=payload.redirect_uri,
                    scope=payload.scope,
                    auth_time=int(time.time()),
                    nonce=payload.data.get("nonce"),
                    code_challenge=payload.data["code_challenge"],
                    code_challenge_method=payload.data["code_challenge_method"],
                )

            def query_authorization_code(self, code: str, _: ClientMixin) -> _Code | None:
                return codes.get(code)

            def delete_authorization_code(self, authorization_code: _Code) -> None:
                for code in [code for code, kept in codes.items() if kept is authorization_code]:
                    del codes[code]

            def authenticate_user(self, authorization_code: _Code) -> str:
                return str(authorization_code["user"])

        return Grant

    def _openid(self) -> OpenIDCode:
        provider = self

        class OpenId(OpenIDCode):  # type: ignore[misc]  # Authlib is not typed
            def exists_nonce(self, *_: Any) -> bool:
                return False

            def resolve_client_private_key(self, _: ClientMixin) -> Any:
                key = RSAAlgorithm.to_jwk(provider.issuer.keys["RS256"], as_dict=True)
                return RSAKey.import_key(key)

            def get_client_claims(self, client: ClientMixin) -> dict[str, Any]:
                return {"iss": provider.url, "aud": [client.get_client_id()]}

            def generate_user_info(self, user: str, _: str) -> dict[str, str]:
                return {"sub": user, "name": "Anna"}

        return OpenId()
