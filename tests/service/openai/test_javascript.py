"""The official JavaScript client, unmodified."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from .conftest import Server

HERE = Path(__file__).parent / "js"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node.js is missing: apt-get install nodejs npm"),
    pytest.mark.skipif(
        not (HERE / "node_modules" / "openai").is_dir(),
        reason=f"OpenAI's client is missing: npm ci --prefix {HERE}",
    ),
]


def command(server: Server, name: str) -> list[str]:
    return [str(NODE), str(HERE / "checks.mjs"), server.url, name]


def check(server: Server, name: str) -> None:
    done = subprocess.run(command(server, name), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["generations", "edits", "variations", "errors", "models"])
def test_it_finds_what_its_types_say(steady: Server, name: str) -> None:
    check(steady, name)


def test_pictures_as_they_come(server: Server) -> None:
    """The second and the third of four steps are shown; each of them is drawn when all before has been heard."""
    server.studio.permits = threading.Semaphore(2)
    with subprocess.Popen(
        command(server, "streaming"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None and node.stderr is not None
        for _ in node.stdout:
            server.studio.permits.release()
        said = node.stderr.read()
    assert node.returncode == 0, said


def test_a_full_queue(server: Server) -> None:
    server.fill()
    check(server, "busy")


def test_a_failed_job_is_not_drawn_again_by_the_client(server: Server) -> None:
    server.studio.failures = 3
    check(server, "failing")
    assert len(server.studio.started) == 3, "one job, tried three times"


def test_a_failed_job_ends_the_stream_with_an_error(server: Server) -> None:
    server.studio.failures = 3
    check(server, "failing_stream")


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (HERE / "package-lock.json").read_text("utf-8")
