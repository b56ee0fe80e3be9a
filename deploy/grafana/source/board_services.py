"""Whether everything is there, and what it takes."""

from __future__ import annotations

from panels import Panel, graph, number, state
from queries import RATE, of, or_zero, rate

ON_DISKS = 'fstype!~"tmpfs|ramfs|overlay|squashfs"'


JOBS = 'job=~"ingest_service|index_service|rest_gateway"'


def panels() -> list[Panel]:
    """Return the panels in the order of reading."""
    return [*_numbers(), *_processes(), *_machine()]


def _numbers() -> list[Panel]:
    return [
        state("Scraped", 12, "Prometheus reaches it.", (of("up"), "{{job}} {{instance}}")),
        number(
            "Alerts that fire",
            "short",
            4,
            "docs/runbooks.md says what to do.",
            (or_zero('count(ALERTS{alertstate="firing"})'), "alerts"),
            bad=1,
        ),
        number(
            "Certificates, time left",
            "s",
            4,
            "Of the one that ends first; 0 where there is none.",
            (
                or_zero(
                    f"min({of('eventindex_tls_certificate_expiry_timestamp_seconds')}) - time()"
                ),
                "left",
            ),
        ),
        number(
            "Version",
            "short",
            4,
            "More than one of a service: an update is under way.",
            (
                f"count by (service, version) ({of('eventindex_build_info')})",
                "{{service}} {{version}}",
            ),
        ),
    ]


def _processes() -> list[Panel]:
    return [
        graph(
            "CPU",
            "none",
            8,
            "Cores in use. Of index_service with its workers.",
            (rate("process_cpu_seconds_total", JOBS), "{{job}} {{instance}}"),
        ),
        graph(
            "Memory",
            "bytes",
            8,
            "Resident. Of index_service with its workers.",
            (of("process_resident_memory_bytes", JOBS), "{{job}} {{instance}}"),
        ),
        graph(
            "File descriptors",
            "short",
            8,
            "Open files and connections.",
            (of("process_open_fds", JOBS), "{{job}} {{instance}}"),
        ),
    ]


def _machine() -> list[Panel]:
    return [
        graph(
            "Disks, in use",
            "percentunit",
            8,
            "Of the machine that node_exporter runs on.",
            (
                f"1 - node_filesystem_avail_bytes{{{ON_DISKS}}} "
                f"/ node_filesystem_size_bytes{{{ON_DISKS}}}",
                "{{instance}} {{mountpoint}}",
            ),
        ),
        graph(
            "Machine: CPU",
            "percentunit",
            8,
            "The share of all cores that is not idle.",
            (
                f'avg by (instance) (1 - rate(node_cpu_seconds_total{{mode="idle"}}{RATE}))',
                "{{instance}}",
            ),
        ),
        graph(
            "Machine: memory",
            "percentunit",
            8,
            "What no program could still get.",
            ("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}"),
        ),
    ]
