"""Limner's dashboard: `python -m deploy.grafana.dashboard` writes `limner.json`, which Grafana imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .panels import Panel, Query, Row, laid_out

FILE = Path(__file__).resolve().parent / "limner.json"
HERE = 'instance=~"$instance"'
EVERY = "$__rate_interval"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """How much a counter grows a second, summed over all labels but those of `by`, of series as `where` says."""
    chosen = f"{HERE},{where}" if where else HERE
    kept = f" by ({by})" if by else ""
    return f"sum{kept} (rate({metric}{{{chosen}}}[{EVERY}]))"


def more(metric: str, by: str = "") -> str:
    """How much a counter has grown in an interval, as `rate`."""
    return rate(metric, by).replace("rate(", "increase(", 1)


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """The value that a `share` of a histogram's observations do not pass."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', f'le,{by}' if by else 'le', where)})"


def spread(metric: str, where: str = "") -> tuple[Query, ...]:
    """Median, 95 and 99 per cent of a histogram."""
    return tuple(
        Query(quantile(share, metric, where=where), name)
        for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
    )


def now(metric: str, by: str) -> str:
    """What a gauge says, summed over all labels but those of `by`."""
    return f"sum by ({by}) ({metric}{{{HERE}}})"


def queue(metric: str) -> str:
    """What a gauge of the queue says, which all services of a database tell alike."""
    return f"max({metric}{{{HERE}}})"


def mean(metric: str, where: str = "") -> str:
    """The mean of what a histogram has seen lately."""
    return f"{rate(f'{metric}_sum', where=where)} / {rate(f'{metric}_count', where=where)}"


REFINE = 'stage="refine"'
FAILED = 'status=~"5..",route!="/readyz"'
KEPT = 'result="hit"'
FAILURES = f"{rate('limner_http_requests_total', where=FAILED)} or vector(0)"

ROWS = (
    Row(
        "Now",
        (
            Panel(
                "Parts that work",
                (Query(f"min by (part) (limner_ready{{{HERE}}})", "{{part}}"),),
                "1: it works. What is wrong otherwise, /readyz says.",
                "stat", width=6, height=4, warn=1, bad=0.5,
            ),
            Panel(
                "Pictures a second", (Query(rate("limner_pictures_total")),), "Drawn and kept.",
                "stat", width=4, height=4,
            ),
            Panel(
                "Jobs that wait", (Query(queue("limner_queue_jobs")),), "The queue takes limner_queue_limit.",
                "stat", width=4, height=4, warn=32, bad=58,
            ),
            Panel(
                "Oldest waits", (Query(queue("limner_queue_oldest_seconds")),),
                "Since when the job that has waited longest waits.",
                "stat", "s", width=5, height=4, warn=60, bad=120,
            ),
            Panel(
                "Requests that fail", (Query(f"({FAILURES}) / {rate('limner_http_requests_total')}"),),
                "Share of answers with 5xx.", "stat", "percentunit", width=5, height=4, warn=0.01, bad=0.05,
            ),
        ),
    ),
    Row(
        "Requests",
        (
            Panel(
                "Requests a second", (
                    Query(rate("limner_http_requests_total", "method,route"), "{{method}} {{route}}"),
                ),
                "By template of the path; no name: no such path, or refused before.", "timeseries", "reqps",
            ),
            Panel(
                "Answers by status", (Query(rate("limner_http_requests_total", "status"), "{{status}}"),),
                "429: the queue is full, or a quota used up.", "timeseries", "reqps", stacked=True,
            ),
            Panel(
                "Time until the answer begins", spread("limner_http_answer_seconds"),
                "Of streams of events: until the first byte.", "timeseries", "s",
            ),
        ),
    ),
    Row(
        "Jobs",
        (
            Panel(
                "Queue",
                (
                    Query(queue("limner_queue_jobs"), "wait"),
                    Query(queue("limner_jobs_running"), "are drawn"),
                    Query(queue("limner_queue_limit"), "may wait"),
                ),
                "Jobs, of one to eight pictures each.",
            ),
            Panel(
                "Time from acceptance to success", spread("limner_job_seconds"), "With what was waited.",
                "timeseries", "s",
            ),
            Panel(
                "Time waited", spread("limner_job_wait_seconds"), "Until drawing began.", "timeseries", "s",
            ),
            Panel(
                "Jobs by their end", (Query(rate("limner_jobs_ended_total", "end"), "{{end}}"),),
                "A second.", "timeseries", "ops", stacked=True,
            ),
            Panel(
                "Jobs queued again", (Query(f"{rate('limner_jobs_returned_total', 'model')}", "{{model}}"),),
                "After something went wrong; the third time fails the job.", "timeseries", "ops",
            ),
            Panel(
                "What goes wrong", (Query(rate("limner_errors_total", "where,kind"), "{{where}}: {{kind}}"),),
                "Errors a second, by where and kind.", "timeseries", "ops",
            ),
        ),
    ),
    Row(
        "Engine",
        (
            Panel(
                "Steps a second", (Query(rate("limner_steps_total", "model"), "{{model}}"),),
                "Of all pictures together.", "timeseries", "ops", stacked=True,
            ),
            Panel(
                "Occupancy of batches",
                (
                    Query(mean("limner_call_rows", REFINE), "rows a call"),
                    Query(mean("limner_call_pictures", REFINE), "pictures a call"),
                ),
                "How many share a network call of a step; a guided picture has two rows.",
            ),
            Panel(
                "Where the time goes", (Query(rate("limner_stage_seconds_sum", "stage"), "{{stage}}"),),
                "Seconds a second: encode, refine and decode on the engine's threads, png and store on the runner's.",
                "timeseries", "s", stacked=True,
            ),
            Panel(
                "Time of one network call",
                (Query(quantile(0.95, "limner_stage_seconds", "stage"), "{{stage}}"),),
                "95 % are shorter.", "timeseries", "s",
            ),
            Panel(
                "Texts found encoded",
                (
                    Query(
                        f"{rate('limner_texts_total', where=KEPT)} / {rate('limner_texts_total')}",
                        "share",
                    ),
                ),
                "Of the texts that pictures looked up.", "timeseries", "percentunit",
            ),
            Panel(
                "Compute units", (Query(rate("limner_compute_units_total", "owner"), "{{owner}}"),),
                "Pixels x steps / 1 000 000 a second, by owner of the key.", stacked=True,
            ),
        ),
    ),
    Row(
        "Machine",
        (
            Panel(
                "Memory", (Query(now("limner_memory_bytes", "instance,process"), "{{instance}} {{process}}"),),
                "Of the service's process, and of the engine's.", "timeseries", "bytes", width=6,
            ),
            Panel(
                "Processor", (Query(rate("process_cpu_seconds_total", "instance"), "{{instance}}"),),
                "Cores that the service's process keeps busy.", "timeseries", "short", width=6,
            ),
            Panel(
                "Room on the disk", (Query(f"min(limner_data_free_bytes{{{HERE}}})"),),
                "Where jobs and pictures lie.", "timeseries", "bytes", width=6,
            ),
            Panel(
                "Models",
                (Query(f"max by (model, version, family, served) (limner_model_info{{{HERE}}})"),),
                "Those that are here.", "table", width=6,
            ),
            Panel(
                "Engine and models",
                (
                    Query(more("limner_engine_ends_total"), "engine ended"),
                    Query(more("limner_graph_load_seconds_count", "model"), "networks of {{model}} loaded"),
                ),
                "Processes of the engine that are over, and networks loaded, in each interval.",
                width=24, height=6,
            ),
        ),
    ),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The whole dashboard, as Grafana imports it."""
    return {
        "uid": "limner",
        "title": "Limner",
        "tags": ["limner"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                {
                    "name": "instance",
                    "label": "Service",
                    "type": "query",
                    "datasource": {"type": "prometheus", "uid": "${datasource}"},
                    "query": {"query": "label_values(limner_build_info, instance)", "refId": "instance"},
                    "refresh": 2,
                    "includeAll": True,
                    "allValue": ".+",
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": laid_out(ROWS),
    }


def text() -> str:
    """The dashboard as it is written to FILE."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
