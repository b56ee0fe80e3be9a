"""Panels and dashboards in the JSON of Grafana."""

from __future__ import annotations

from typing import Any

# A provisioned dashboard cannot ask for a datasource: its uid is written out.
DATASOURCE = {"type": "prometheus", "uid": "eventindex-prometheus"}

# Marks on every panel where an alert fires.
ALERTS = {
    "name": "Alerts",
    "datasource": DATASOURCE,
    "enable": True,
    "iconColor": "red",
    "expr": 'max by (alertname, job) (ALERTS{alertstate="firing"})',
    "step": "15s",
    "titleFormat": "{{alertname}}",
    "textFormat": "{{job}}",
}

# The state of what nobody has set up.
UNSET = "vector(-1)"

Query = tuple[str, str]
Panel = dict[str, Any]


def panel(kind: str, title: str, unit: str, width: int, text: str, *queries: Query) -> Panel:
    """Return a panel without its place."""
    return {
        "type": kind,
        "title": title,
        "description": text,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": 4 if kind == "stat" else 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": kind == "stat",
                "range": kind != "stat",
            }
            for place, (expression, legend) in enumerate(queries)
        ],
    }


def graph(title: str, unit: str, width: int, text: str, *queries: Query) -> Panel:
    """Return a panel with lines over time."""
    made = panel("timeseries", title, unit, width, text, *queries)
    made["fieldConfig"]["defaults"]["custom"] = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 8,
        "showPoints": "never",
    }
    made["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return made


def number(title: str, unit: str, width: int, text: str, *queries: Query, bad: float = 0) -> Panel:
    """Return a panel with the latest number; red from `bad` on, where that is given."""
    made = panel("stat", title, unit, width, text, *queries)
    steps: list[dict[str, Any]] = [{"color": "green" if bad else "text", "value": None}]
    if bad:
        steps.append({"color": "red", "value": bad})
    made["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": steps}
    made["options"] = {
        "colorMode": "value",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if len(queries) > 1 or "{{" in queries[0][1] else "auto",
    }
    return made


def state(title: str, width: int, text: str, *queries: Query) -> Panel:
    """Return a panel that says up or down, or that nobody has set it up."""
    made = number(title, "short", width, text, *queries)
    made["fieldConfig"]["defaults"] |= {
        "mappings": [
            {
                "type": "value",
                "options": {
                    "-1": {"text": "not set", "color": "text", "index": 2},
                    "0": {"text": "down", "color": "red", "index": 0},
                    "1": {"text": "up", "color": "green", "index": 1},
                },
            }
        ],
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}],
        },
    }
    made["options"]["colorMode"] = "background"
    return made


def stacked(made: Panel) -> Panel:
    """Return the same panel with lines that add up."""
    made["fieldConfig"]["defaults"]["custom"]["stacking"] = {"mode": "normal"}
    return made


def dashboard(name: str, title: str, instances: str, panels: list[Panel]) -> dict[str, Any]:
    """Return a dashboard whose panels flow from left to right."""
    x = y = height = 0
    for place, made in enumerate(panels, 1):
        grid = made["gridPos"]
        if x + grid["w"] > 24:
            x, y, height = 0, y + height, 0
        made["id"] = place
        made["gridPos"] = {**grid, "x": x, "y": y}
        x, height = x + grid["w"], max(height, grid["h"])
    return {
        "uid": f"eventindex-{name}",
        "title": f"EventIndex: {title}",
        "tags": ["eventindex"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [instance_variable(instances)]},
        "annotations": {"list": [ALERTS]},
        "links": [
            {
                "type": "dashboards",
                "tags": ["eventindex"],
                "title": "EventIndex",
                "asDropdown": False,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "panels": panels,
    }


def instance_variable(instances: str) -> dict[str, Any]:
    """Return which instances a dashboard shows: all, or some of those that are scraped."""
    query = f"label_values(up{{{instances}}}, instance)"
    return {
        "name": "instance",
        "label": "instance",
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": "instance"},
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
