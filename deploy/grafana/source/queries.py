"""PromQL that answers something on an idle stack: "No data" would look like a fault."""

from __future__ import annotations

RATE = "[$__rate_interval]"


def of(metric: str, *labels: str) -> str:
    """A selector that the variable `instance` chooses from."""
    chosen = ", ".join(('instance=~"$instance"', *labels))
    return f"{metric}{{{chosen}}}"


def rate(metric: str, *labels: str) -> str:
    """How much a counter grows in a second."""
    return f"rate({of(metric, *labels)}{RATE})"


def or_zero(expression: str, *labels: str) -> str:
    """0 where nothing was counted yet, under the name `none`."""
    zero = "vector(0)"
    for label in labels:
        zero = f'label_replace({zero}, "{label}", "none", "", "")'
    return f"({expression}) or on() {zero}"


def summed(metric: str, *by: str, where: tuple[str, ...] = ()) -> str:
    """The rate of a counter, summed by labels."""
    return or_zero(f"sum by ({', '.join(by)}) ({rate(metric, *where)})", *by)


def total(metric: str, where: tuple[str, ...] = ()) -> str:
    """The increase of a counter in a day."""
    return or_zero(f"sum(increase({of(metric, *where)}[24h]))")


def quantile(share: float, histogram: str, *by: str, where: tuple[str, ...] = ()) -> str:
    """A quantile of a histogram; 0 while nothing happens, which it calls not a number."""
    inner = f"sum by ({', '.join(('le', *by))}) ({rate(f'{histogram}_bucket', *where)})"
    return or_zero(f"histogram_quantile({share}, {inner}) >= 0", *by)


def ratio(part: str, whole: str) -> str:
    """A share; 0 while there is no whole."""
    return or_zero(f"({part}) / ({whole}) >= 0")
