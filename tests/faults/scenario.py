"""What a fault is, how it is entered under its name, and the row that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.bench import Bench
from tests.faults.ledger import Verdict
from tests.support.processes import PostgresServer


class SkippedError(Exception):
    """A scenario cannot be done here; the text says why."""


Harm = Callable[[Bench, int], float | None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault.

    Attributes:
        name: how it is asked for.
        fault, how: for the table.
        times: how often it is done in a full run, and in a short one (0: not at all there).
        harm: does it so many times; the longest time until things went on, seconds.
    """

    name: str
    fault: str
    how: str
    times: int
    times_short: int
    harm: Harm


SCENARIOS: dict[str, Scenario] = {}


def scenario(fault: str, how: str, *, times: int = 1, short: int = 0) -> Callable[[Harm], Harm]:
    """Enter a function as a scenario under its own name."""

    def enter(harm: Harm) -> Harm:
        SCENARIOS[harm.__name__] = Scenario(harm.__name__, fault, how, times, short, harm)
        return harm

    return enter


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a scenario."""

    scenario: Scenario
    times: int
    seed: int
    verdict: Verdict
    loss_max: int
    recovery_s: float | None
    note: str

    @property
    def good(self) -> bool:
        """Nothing was lost but what is stated, nothing doubled, nothing else wrong."""
        return not self.verdict.problems

    def text(self) -> str:
        """The line that is printed."""
        went_on = "" if self.recovery_s is None else f"; went on after {self.recovery_s:.1f} s"
        return (
            f"{self.scenario.name} {self.times}x (seed {self.seed}): "
            f"{self.verdict.text()}{went_on}{f'; {self.note}' if self.note else ''}"
        )


def run(found: Scenario, server: PostgresServer, times: int, seed: int) -> Row:
    """Do a scenario's harm and compare the ledger with the index."""
    bench = Bench(server, seed)
    try:
        recovery_s = found.harm(bench, times)
        verdict = bench.verdict()
        if bench.conflicts_wanted not in {None, verdict.conflict}:
            verdict.problems.append(f"{bench.conflicts_wanted} conflicts were to be there")
        return Row(found, times, seed, verdict, bench.loss_max, recovery_s, bench.note)
    except Exception:
        bench.tell()
        raise
    finally:
        bench.close()
