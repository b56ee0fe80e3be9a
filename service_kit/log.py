"""Log lines: text for people, JSON for a collector. Never decides what is worth a line."""

from __future__ import annotations

import datetime
import json
import logging
import sys

from service_kit.settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class _JsonFormatter(logging.Formatter):
    """One JSON object a line, with the `extra` fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{k: v for k, v in vars(record).items() if k not in _STANDARD and k != "message"},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(settings: Settings) -> None:
    """Send the log of this process to standard error in the form that the settings name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter()
        if settings.log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
