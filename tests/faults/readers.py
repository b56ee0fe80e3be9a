"""Load that reads: what was committed has to be found. What was answered wrongly is told."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from urllib.error import HTTPError

import eventindex
from tests.faults.ledger import Key, Ledger
from tests.faults.senders import Worker
from tests.support.processes import OPENER

LOOKUP_PAIRS = 200


class Requests(Worker):
    """Asks the gateway for committed events, one after the other; it may be away, not be wrong."""

    def __init__(self, address: str, ledger: Ledger) -> None:
        super().__init__()
        self._url = f"http://{address}/api/v1/events"
        self._ledger = ledger
        self.answered = 0
        self.failed = 0

    def _work(self) -> None:
        while not self.stopping.wait(0.1):
            if self._ledger.committed:
                run, event = self._ledger.committed[-1]
                try:
                    OPENER.open(f"{self._url}/{run}/{event}", timeout=30).close()
                    self.answered += 1
                except HTTPError as error:
                    if error.code < 500:
                        raise
                    self.failed += 1
                except OSError:
                    self.failed += 1


class Lookups(Worker):
    """Asks for events that were committed before; failures are allowed, wrong answers are not."""

    def __init__(self, address: str, ledger: Ledger, *, seed: int = 0, retry_s: float = 0) -> None:
        super().__init__()
        self._client = eventindex.connect(address, timeout=10, retry_seconds_max=retry_s)
        self._ledger = ledger
        self._random = random.Random(seed)
        self.answered = 0
        self.failed = 0
        self.wrong: list[str] = []

    def _work(self) -> None:
        with self._client:
            while not self.stopping.wait(0.02):
                committed = self._ledger.committed
                if not committed:
                    continue
                asked = [
                    *self._random.choices(committed[-5_000:], k=LOOKUP_PAIRS // 2),
                    *self._random.choices(committed, k=LOOKUP_PAIRS // 2),
                ]
                try:
                    result = self._client.lookup(asked)
                except (eventindex.UnavailableError, eventindex.DeadlineError):
                    self.failed += 1
                    continue
                self.answered += 1
                self._compare(asked, result)

    def _compare(self, asked: list[Key], result: eventindex.LookupResult) -> None:
        for key, index in zip(asked, result.file_indexes.tolist(), strict=True):
            file = result.files[index - 1].fuid_raw if index else None
            if file not in {value.fuid_raw for value in self._ledger.offers[key]}:
                self.wrong.append(f"{datetime.now(UTC):%T}: lookup of {key} answered {file}")
