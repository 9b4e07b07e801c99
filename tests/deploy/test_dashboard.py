from __future__ import annotations

import itertools

from deploy.grafana.dashboard import FILE, dashboard, text
from deploy.grafana.panels import COLUMNS, Panel, Query, Row, laid_out


def test_the_committed_dashboard_is_what_the_program_writes() -> None:
    assert FILE.read_text("utf-8") == text(), "run python -m deploy.grafana.dashboard"


def test_panels_lie_beside_each_other_and_not_on_each_other() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [
        set(itertools.product(range(p["x"], p["x"] + p["w"]), range(p["y"], p["y"] + p["h"]))) for p in places
    ]
    assert sum(map(len, cells)) == len(set().union(*cells))
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)


def test_every_panel_says_what_it_means_and_has_an_id_of_its_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    shown = [panel for panel in panels if panel["type"] != "row"]
    assert all(panel["description"] and panel["targets"] for panel in shown)


def test_what_every_service_tells_of_their_one_database_is_not_added_up() -> None:
    asked = [query["expr"] for panel in dashboard()["panels"] for query in panel.get("targets", ())]
    queue = [each for each in asked if "limner_queue_" in each or "limner_jobs_running" in each]
    assert len(queue) == 5 and all(each.startswith("max(") for each in queue)


def test_a_number_that_is_bad_when_low_is_red_when_low() -> None:
    def colours(warn: float, bad: float) -> list[tuple[str, float | None]]:
        panel = Panel("t", (Query("up"),), "m", warn=warn, bad=bad)
        (made,) = [each for each in laid_out((Row("r", (panel,)),)) if each["type"] != "row"]
        steps = made["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return [(step["color"], step["value"]) for step in steps]

    assert colours(1, 5) == [("green", None), ("orange", 1), ("red", 5)]
    assert colours(1, 0.5) == [("red", None), ("orange", 0.5), ("green", 1)]
