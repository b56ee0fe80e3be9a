"""What the routes share, made once by `service` and handed to them by FastAPI."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from rest_gateway.clients import Services
from rest_gateway.jobs.database import JobDatabase
from rest_gateway.jobs.worker import JobWorker
from rest_gateway.shared import Shared
from rest_gateway.sign_in import SignIn
from service_kit.auth import Access
from service_kit.places import Places
from service_kit.settings import Settings

if TYPE_CHECKING:
    from rest_gateway.calls.live import Live

API_PREFIX = "/api/v1"
_FOLLOWED = re.compile(rf"{API_PREFIX}/(?:live|jobs/[^/]+/events)")


def is_followed(path: str) -> bool:
    """Return whether the answer is a stream of events, open until its reader goes. Pure."""
    return _FOLLOWED.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with.

    Attributes:
        settings: the settings of the process.
        services: the client of the index and ingest services.
        jobs: the database of the jobs.
        worker: what works on them here.
        access: checks the token of each request; None where everybody may ask.
        live: what comes in, read once for all who follow it.
        heavy: how many of the calls that read many pages each caller has now.
        callers, followers: how many calls, and how many event streams, each subject has now.
        stopping: set when the process is told to stop; streams without an end look at it.
        sign_in: where readers of the pages sign in.
    """

    settings: Settings
    services: Services
    jobs: JobDatabase
    worker: JobWorker
    access: Access | None
    live: Shared[Live]
    heavy: Places
    callers: Places
    followers: Places
    stopping: asyncio.Event
    sign_in: SignIn


def _parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


PartsDep = Annotated[Parts, Depends(_parts)]


def _services(request: Request) -> Services:
    return _parts(request).services


ServicesDep = Annotated[Services, Depends(_services)]
