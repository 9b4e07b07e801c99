from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from limner.errors import InvalidInput, Unavailable
from limner.service.reach import Reach
from limner.service.server import bind, serve

from .test_events import read

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """The service over the fake studio, in its own process. One that is `held` draws nothing before `go_on`."""

    def __init__(
        self, data_dir: Path, seconds_a_step: float = 0, drain: float = 600, held: bool = False
    ) -> None:
        command = [sys.executable, "-m", "tests.service.serve_fake", str(data_dir), "0"]
        self.popen = subprocess.Popen(
            [*command, str(seconds_a_step), str(drain), *(["held"] if held else [])],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout is not None
        found = re.search(r"http://\S+/", self.popen.stdout.readline())
        assert found
        self.http = httpx.Client(base_url=found.group(), timeout=30)

    def ask(self, **fields: Any) -> str:
        return str(self.http.post("v1/jobs", json={"prompt": "a red apple", **fields}).json()["id"])

    def until(self, job: str, *states: str) -> dict[str, Any]:
        for _ in range(600):
            found: dict[str, Any] = self.http.get(f"v1/jobs/{job}").json()
            if found["state"] in states:
                return found
            time.sleep(0.05)
        raise AssertionError(f"job stayed {found['state']}")

    def go_on(self) -> None:
        self.popen.send_signal(signal.SIGUSR1)

    def end(self, how: int) -> int:
        self.popen.send_signal(how)
        return self.popen.wait(60)

    def close(self) -> None:
        self.http.close()
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        assert self.popen.stdout is not None
        self.popen.stdout.close()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    made: list[Process] = []
    yield made
    for process in made:
        process.close()


def test_a_job_accepted_is_a_job_kept(tmp_path: Path, processes: list[Process]) -> None:
    first = Process(tmp_path, held=True)
    processes.append(first)
    running, waiting = first.ask(steps=5, seed=3), first.ask(seed=4, steps=2)
    first.until(running, "running")
    first.end(signal.SIGKILL)
    second = Process(tmp_path)
    processes.append(second)
    done = second.until(running, "succeeded", "failed")
    assert (done["state"], done["attempts"], done["images"][0]["seed"]) == (
        "succeeded",
        2,
        3,
    )
    assert second.until(waiting, "succeeded", "failed")["state"] == "succeeded"
    assert second.http.get(done["images"][0]["url"]).status_code == 200


def test_sigterm_finishes_what_runs_and_keeps_the_rest(tmp_path: Path, processes: list[Process]) -> None:
    first = Process(tmp_path, held=True)
    processes.append(first)
    running = [first.ask(steps=5) for _ in range(8)]
    waiting = first.ask(steps=5)
    for job in running:
        first.until(job, "running")
    with (
        first.http.stream("GET", f"v1/jobs/{running[0]}/events") as stream,
        first.http.stream("GET", f"v1/jobs/{waiting}/events") as other,
    ):
        os.kill(first.popen.pid, signal.SIGTERM)
        assert "event: queued" in "".join(other.iter_text())  # it ends once nothing more is taken
        first.go_on()
        assert read("".join(stream.iter_text()))[-1]["event"] == "succeeded"
    assert first.popen.wait(60) == 0
    second = Process(tmp_path, held=True)
    processes.append(second)
    assert {second.http.get(f"v1/jobs/{job}").json()["state"] for job in running} == {"succeeded"}
    assert second.http.get(f"v1/jobs/{waiting}").json()["state"] in {
        "queued",
        "running",
    }
    assert second.http.get(f"v1/jobs/{waiting}").json()["images"] == []


def test_what_does_not_finish_in_time_is_given_back(tmp_path: Path, processes: list[Process]) -> None:
    first = Process(tmp_path, drain=0.2, held=True)
    processes.append(first)
    job = first.ask()
    first.until(job, "running")
    with first.http.stream("GET", f"v1/jobs/{job}/events") as stream:
        os.kill(first.popen.pid, signal.SIGTERM)
        assert "succeeded" not in "".join(stream.iter_text())
    assert first.popen.wait(60) == 0
    second = Process(tmp_path)
    processes.append(second)
    done = second.until(job, "succeeded", "failed")
    assert (done["state"], done["attempts"]) == ("succeeded", 1)


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"port {port} is taken.*PORT=.*--port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_nothing_is_served_beyond_this_machine(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="keys"):
        serve(0, tmp_path, reach=Reach(host))


def test_a_port_that_does_not_exist() -> None:
    with pytest.raises(InvalidInput, match="70000"):
        bind("127.0.0.1", 70000)


def test_localhost_is_bound_on_this_machine_only() -> None:
    with bind("localhost", 0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert listening.family == socket.AF_INET


def test_a_client_that_reads_nothing_holds_nobody_up(tmp_path: Path, processes: list[Process]) -> None:
    server = Process(tmp_path, 0.001)
    processes.append(server)
    job = server.ask(steps=150, n=8)
    address = (server.http.base_url.host, server.http.base_url.port or 80)
    with socket.create_connection(address) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert server.until(job, "succeeded", "failed")["state"] == "succeeded"
        assert server.http.get(f"v1/jobs/{job}/events").text.count("event: image") == 8
