"""PromQL that answers something on an idle stack: "No data" would look like a fault."""

from __future__ import annotations

RATE = "[$__rate_interval]"


def of(metric: str, *labels: str) -> str:
    """Return a selector that the variable `instance` chooses from."""
    chosen = ", ".join(('instance=~"$instance"', *labels))
    return f"{metric}{{{chosen}}}"


def rate(metric: str, *labels: str) -> str:
    """Return how much a counter grows in a second."""
    return f"rate({of(metric, *labels)}{RATE})"


def or_zero(expression: str, *labels: str, zero: str = "vector(0)") -> str:
    """Return the query with 0, named `none`, where nothing was counted yet."""
    for label in labels:
        zero = f'label_replace({zero}, "{label}", "none", "", "")'
    return f"({expression}) or on() {zero}"


def summed(metric: str, *by: str, where: tuple[str, ...] = ()) -> str:
    """Return the rate of a counter, summed by labels."""
    return or_zero(f"sum by ({', '.join(by)}) ({rate(metric, *where)})", *by)


def total(metric: str, where: tuple[str, ...] = ()) -> str:
    """Return the increase of a counter in a day."""
    return or_zero(f"sum(increase({of(metric, *where)}[24h]))")


def quantile(share: float, histogram: str, *by: str, where: tuple[str, ...] = ()) -> str:
    """Return a quantile of a histogram; 0 while nothing happens, which it calls not a number."""
    inner = f"sum by ({', '.join(('le', *by))}) ({rate(f'{histogram}_bucket', *where)})"
    return or_zero(f"histogram_quantile({share}, {inner}) >= 0", *by)


def ratio(part: str, whole: str) -> str:
    """Return a share; 0 while there is no whole."""
    return or_zero(f"({part}) / ({whole}) >= 0")
