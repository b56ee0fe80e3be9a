"""Write the dashboards: `python deploy/grafana/source [FOLDER]`.

The lists of panels in board_*.py are what to edit; a test compares what they make with the JSON
that Grafana reads.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import board_http
import board_index
import board_ingest
import board_lookups
import board_services
from panels import dashboard

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = (
    ("ingest", "Ingest", 'job="ingest_service"', board_ingest),
    ("lookups", "Lookups", 'job="index_service"', board_lookups),
    ("http", "HTTP", 'job="rest_gateway"', board_http),
    ("index", "Index", 'job=~"ingest_service|index_service"', board_index),
    ("services", "Services", 'job=~"ingest_service|index_service|rest_gateway"', board_services),
)

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, title, instances, board in BOARDS:
        made = dashboard(name, title, instances, board.panels())
        text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, "utf-8")
