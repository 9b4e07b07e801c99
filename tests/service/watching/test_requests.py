from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from limner.service.access import KeyStore
from limner.service.watching.sights import Answered, JobAccepted, Sight

from ..access.conftest import As, drawn
from ..fake_studio import FakeStudio


@pytest.mark.parametrize("own", ["abc-123", "A.b_c", "x" * 64])
def test_a_request_id_is_honoured(client: TestClient, own: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": own})
    assert answer.headers["x-request-id"] == own


@pytest.mark.parametrize("wrong", ["", "x" * 65, "two words", "a\tb", "a;b", '"quoted"'])
def test_an_id_that_could_spoil_a_log_is_replaced(client: TestClient, wrong: str) -> None:
    answers = [client.get("/healthz", headers={"X-Request-Id": wrong}) for _ in range(2)]
    made = {answer.headers["x-request-id"] for answer in answers}
    assert len(made) == 2 and wrong not in made and all(len(each) == 16 for each in made)


def test_errors_have_an_id_too(client: TestClient) -> None:
    for path in ("/no/such", "/v1/jobs/none"):
        assert client.get(path, headers={"X-Request-Id": "mine"}).headers["x-request-id"] == "mine"


def test_a_job_knows_the_request_that_brought_it(client: TestClient) -> None:
    seen: list[Sight] = []
    client.app.state.service.watching.add(seen.append)  # type: ignore[attr-defined]
    made = client.post("/v1/jobs", json={"prompt": "a red apple"}, headers={"X-Request-Id": "mine"})
    (accepted,) = [sight for sight in seen if isinstance(sight, JobAccepted)]
    assert (accepted.request, accepted.job.id) == ("mine", made.json()["id"])
    (answered,) = [sight for sight in seen if isinstance(sight, Answered)]
    assert (answered.request, answered.route, answered.status) == ("mine", "/v1/jobs", 202)
    assert answered.seconds > 0 and answered.caller == ""


def test_who_asks_is_told_by_the_prefix_of_the_key(client: TestClient, known: As, keys: KeyStore) -> None:
    seen: list[Sight] = []
    one = known("one")
    client.app.state.service.watching.add(seen.append)  # type: ignore[attr-defined]
    one.get("/v1/jobs")
    client.get("/v1/jobs")
    (key,) = keys.all()
    answers = [(sight.status, sight.caller) for sight in seen if isinstance(sight, Answered)]
    assert answers == [(200, key.prefix), (401, "")]


def test_compute_units_are_the_owners(client: TestClient, known: As, keys: KeyStore) -> None:
    drawn(known("one"), steps=10)
    (key,) = keys.all()
    units = client.app.state.metrics.registry.get_sample_value(  # type: ignore[attr-defined]
        "limner_compute_units_total", {"owner": key.owner}
    )
    assert units == pytest.approx(64 * 64 * 10 / 1e6)


def test_who_looks_and_fails_costs_no_request_and_no_picture(
    client: TestClient, studio: FakeStudio, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(sight: Sight) -> None:
        raise RuntimeError("it looked away")

    client.app.state.service.watching.add(fails)  # type: ignore[attr-defined]
    job = client.post("/v1/jobs", json={"prompt": "a red apple"}).json()["id"]
    assert "event: succeeded" in client.get(f"/v1/jobs/{job}/events").text
    assert "it looked away" in caplog.text
