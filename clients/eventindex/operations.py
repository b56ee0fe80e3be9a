"""What runs the ingest service: refused messages, access tokens, what came in; of the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eventindex.admin_results import (
    AccessToken,
    AdminAction,
    DeadLetter,
    DetectorStatus,
    DoorStatus,
    to_access_token,
    to_admin_action,
    to_dead_letter,
    to_detector_status,
    to_door_status,
)
from eventindex.connection import PAGE_ROWS
from eventindex.datasets import DatasetQueries
from eventindex.limits import TOKEN_LIFETIME_SECONDS
from eventindex.results import to_ack
from eventindex.selection import checked_number
from eventindex.v1 import admin_pb2
from eventindex.values import Ack

_ID_MAX = 2**64 - 1


class Operations(DatasetQueries):
    """Replays and discards refused messages, makes and revokes tokens, tells what came in."""

    def dead_letters(
        self, *, reason: str = "", topic: str = "", timeout: float | None = None
    ) -> Iterator[DeadLetter]:
        """Yield the refused messages, without their payloads."""
        request = admin_pb2.ListDeadLettersRequest(page_size=PAGE_ROWS, reason=reason, topic=topic)
        pages = self._pages(
            lambda q: self._change(self._admin.ListDeadLetters, q, timeout), request
        )
        return (to_dead_letter(message) for page in pages for message in page.dead_letters)

    def get_dead_letter(self, dead_letter_id: int, *, timeout: float | None = None) -> DeadLetter:
        """Return a refused message with its payload.

        Raises:
            NotFoundError: there is no such dead letter.
        """
        number = checked_number(dead_letter_id, "dead_letter_id", _ID_MAX)
        request = admin_pb2.GetDeadLetterRequest(dead_letter_id=number)
        return to_dead_letter(self._change(self._admin.GetDeadLetter, request, timeout).dead_letter)

    def replay_dead_letter(self, dead_letter_id: int, *, timeout: float | None = None) -> Ack:
        """Send a refused message through the pipeline again, and return what became of it.

        Is not tried again by itself when the server goes away.

        Raises:
            NotFoundError: there is no such dead letter.
            WrongStateError: it was cut.
        """
        number = checked_number(dead_letter_id, "dead_letter_id", _ID_MAX)
        request = admin_pb2.ReplayDeadLetterRequest(dead_letter_id=number)
        answer = self._change(self._admin.ReplayDeadLetter, request, timeout, repeatable=False)
        return to_ack(answer.outcome)

    def discard_dead_letter(self, dead_letter_id: int, *, timeout: float | None = None) -> None:
        """Remove a refused message for good. Is not tried again when the server goes away.

        Raises:
            NotFoundError: there is no such dead letter.
        """
        number = checked_number(dead_letter_id, "dead_letter_id", _ID_MAX)
        request = admin_pb2.DiscardDeadLetterRequest(dead_letter_id=number)
        self._change(self._admin.DiscardDeadLetter, request, timeout, repeatable=False)

    def create_token(
        self,
        subject: str,
        scopes: Iterable[str],
        *,
        lifetime_seconds: int = TOKEN_LIFETIME_SECONDS,
        timeout: float | None = None,
    ) -> tuple[AccessToken, str]:
        """Make an access token; returns it and its secret, which nobody can read again.

        Is not tried again by itself when the server goes away.

        Args:
            subject: for whom or what it is.
            scopes: of "lookup", "ingest" and "admin"; the last includes the others.
            lifetime_seconds: after so many seconds it expires.
            timeout: seconds to wait, default as in `connect`.

        Raises:
            InvalidRequestError: no subject, no such scope, or too long a lifetime.
        """
        request = admin_pb2.CreateTokenRequest(
            subject=subject,
            scopes=scopes,
            lifetime_seconds=checked_number(lifetime_seconds, "lifetime_seconds", _ID_MAX),
        )
        answer = self._change(self._admin.CreateToken, request, timeout, repeatable=False)
        return to_access_token(answer.token), answer.secret

    def tokens(self, *, timeout: float | None = None) -> list[AccessToken]:
        """Return the tokens, the newest first, expired and revoked ones too."""
        request = admin_pb2.ListTokensRequest()
        answer = self._change(self._admin.ListTokens, request, timeout)
        return [to_access_token(message) for message in answer.tokens]

    def revoke_token(self, token_id: str, *, timeout: float | None = None) -> AccessToken:
        """Make a token invalid for good; the services notice within seconds.

        Raises:
            NotFoundError: there is no such token.
        """
        request = admin_pb2.RevokeTokenRequest(token_id=token_id)
        return to_access_token(self._change(self._admin.RevokeToken, request, timeout).token)

    def admin_actions(
        self, *, subject: str = "", method: str = "", timeout: float | None = None
    ) -> Iterator[AdminAction]:
        """Yield who changed what, the newest first; of a subject or a method where one is given."""
        request = admin_pb2.ListAdminActionsRequest(
            page_size=PAGE_ROWS, subject=subject, method=method
        )
        pages = self._pages(
            lambda q: self._change(self._admin.ListAdminActions, q, timeout), request
        )
        return (to_admin_action(message) for page in pages for message in page.actions)

    def ingest_status(self, *, timeout: float | None = None) -> list[DoorStatus]:
        """Return what has come in at each door of the ingest service since it started."""
        request = admin_pb2.IngestStatusRequest()
        answer = self._change(self._admin.IngestStatus, request, timeout)
        return [to_door_status(message) for message in answer.doors]

    def detectors(self, *, timeout: float | None = None) -> list[DetectorStatus]:
        """Return the detectors that sent messages in the last 30 days, and which are silent."""
        request = admin_pb2.IngestStatusRequest()
        answer = self._change(self._admin.IngestStatus, request, timeout)
        return [to_detector_status(message) for message in answer.detectors]

    def ingest_version(self, *, timeout: float | None = None) -> str:
        """Return the version of the ingest service, "" for one of before it told."""
        request = admin_pb2.IngestStatusRequest()
        return self._change(self._admin.IngestStatus, request, timeout).version
