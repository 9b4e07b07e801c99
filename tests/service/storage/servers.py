"""Real servers for tests: PostgreSQL and an object store that checks signatures, each on a free loopback port."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest

ACCOUNT = "postgres"
SHARED_PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/bin", "/usr/local/bin")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def postgres_programs() -> Path:
    """The folder of `initdb` and `pg_ctl`; skips the test where there is none."""
    for place in SHARED_PLACES:
        for folder in sorted(Path("/").glob(place.lstrip("/")), reverse=True):
            if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
                return folder
    found = shutil.which("initdb")
    if found is None:
        pytest.skip("PostgreSQL is not installed: sudo apt-get install postgresql, or its like")
    return Path(found).parent


class Postgres:
    """A PostgreSQL of its own under `folder`, with a database a test."""

    def __init__(self, folder: Path) -> None:
        self._bin, self._data = postgres_programs(), folder / "data"
        self.port, self._password = free_port(), secrets.token_hex(8)
        self._as: list[str] = []
        if os.geteuid() == 0:
            self._as = ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups"]
            shutil.chown(folder, ACCOUNT)
        password = folder / "password"
        password.write_text(self._password, encoding="utf-8")
        if self._as:
            shutil.chown(password, ACCOUNT)
        self._run(
            "initdb", "-N", "-A", "scram-sha-256", f"--pwfile={password}", "-U", "limner", str(self._data)
        )
        self._log = folder / "log"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self._data} -c fsync=off"
        self._run(
            "pg_ctl", "-w", "-D", str(self._data), "-l", str(self._data / "log"), "-o", options, "start"
        )

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self._run("pg_ctl", "-w", "-D", str(self._data), "-m", "immediate", "stop")

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://limner:{self._password}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._bin / program), *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr


class ObjectStore:
    """A moto server that speaks S3 and checks signatures once its account is made."""

    SETTING_UP = 4  # calls that it takes unsigned: a user, its policy, its key, the bucket

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.access_key = self.secret_key = ""

    def start(self) -> None:
        """Start it with an empty bucket called pictures, and a user who may use it; from then on it checks."""
        import boto3

        self._run(self.SETTING_UP)
        anyone = self._anyone()
        iam = boto3.client("iam", **anyone)
        iam.create_user(UserName="limner")
        policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
        iam.put_user_policy(UserName="limner", PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName="limner")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        boto3.client("s3", **anyone).create_bucket(Bucket="pictures")

    def restart(self) -> None:
        """Start it again after `kill`, with an empty bucket. It takes every signature then: the user is gone."""
        import boto3

        self._run(10**9)
        boto3.client("s3", **self._anyone()).create_bucket(Bucket="pictures")

    def sleep(self) -> None:
        """Stop answering: connections are taken, and nothing comes back."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it; what it kept is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _run(self, unsigned_calls: int) -> None:
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(unsigned_calls)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _answers(f"{self.endpoint}/moto-api/", self._process)

    def _anyone(self) -> dict[str, str]:
        return {
            "endpoint_url": self.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "none",
            "aws_secret_access_key": "none",
        }

    def url(self, prefix: str) -> str:
        """The address of a prefix in its bucket."""
        return f"s3://pictures/{prefix}?endpoint={self.endpoint}&region=us-east-1"

    def variables(self) -> dict[str, str]:
        """What the environment must say to use it."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


def _answers(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended before it answered"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")
