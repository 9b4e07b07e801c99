"""Panels and where they lie, as far as Limner's dashboard needs them, and their form in Grafana's JSON.

Plain dataclasses: the dashboard needs four kinds of panels, and Grafana's own SDK (grafana-foundation-sdk) brings its
whole schema under a version of its own for each Grafana, which pip orders before older ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


@dataclass(frozen=True)
class Query:
    """An expression of PromQL; `legend` may name labels in double braces."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """What one rectangle shows: `width` of 24 columns, `height` in rows of 30 px.

    `unit` is Grafana's name for one; `stacked` lays areas on each other; `warn` and `bad` colour a number or a line
    from that value on, or up to it where `bad` is below `warn`.
    """

    title: str
    queries: tuple[Query, ...]
    meaning: str
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    stacked: bool = False
    warn: float | None = None
    bad: float | None = None

    def json(self, number: int, column: int, row: int) -> dict[str, Any]:
        """As Grafana reads it, with the id `number`, at a place."""
        return {
            "id": number,
            "title": self.title,
            "description": self.meaning,
            "type": self.kind,
            "datasource": DATASOURCE,
            "gridPos": {"x": column, "y": row, "w": self.width, "h": self.height},
            "targets": [self._target(query, place) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._field(), "overrides": []},
            "options": self._options(),
        }

    def _target(self, query: Query, place: int) -> dict[str, Any]:
        now = self.kind == "table"
        return {
            "refId": chr(ord("A") + place),
            "datasource": DATASOURCE,
            "expr": query.expression,
            "legendFormat": query.legend or "__auto",
            "instant": now,
            "range": not now,
            "format": "table" if now else "time_series",
        }

    def _field(self) -> dict[str, Any]:
        field: dict[str, Any] = {
            "unit": self.unit,
            "min": 0,
            "thresholds": {"mode": "absolute", "steps": self._thresholds()},
        }
        if self.kind == "timeseries":
            field["custom"] = {
                "fillOpacity": 30 if self.stacked else 8,
                "lineWidth": 1,
                "showPoints": "never",
                "stacking": {"mode": "normal" if self.stacked else "none"},
                "thresholdsStyle": {"mode": "off" if self.bad is None else "dashed"},
            }
        return field

    def _thresholds(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if self.warn is None or self.bad is None:
            return steps
        if self.bad > self.warn:
            return [*steps, {"color": "orange", "value": self.warn}, {"color": "red", "value": self.bad}]
        return [
            {"color": "red", "value": None},
            {"color": "orange", "value": self.bad},
            {"color": "green", "value": self.warn},
        ]

    def _options(self) -> dict[str, Any]:
        if self.kind == "timeseries":
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        if self.kind == "stat":
            return {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
        return {"showHeader": True}


@dataclass(frozen=True)
class Row:
    """Panels under one heading, from left to right and then further down."""

    title: str
    panels: tuple[Panel, ...]


def laid_out(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """The panels of all rows at their places."""
    made: list[dict[str, Any]] = []
    down = 0
    for row in rows:
        heading = {"x": 0, "y": down, "w": COLUMNS, "h": 1}
        made.append(
            {
                "id": len(made) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": heading,
            }
        )
        column, down, height = 0, down + 1, 0
        for panel in row.panels:
            if column + panel.width > COLUMNS:
                column, down, height = 0, down + height, 0
            made.append(panel.json(len(made) + 1, column, down))
            column, height = column + panel.width, max(height, panel.height)
        down += height
    return made
