"""A real Mosquitto with TLS, passwords and an access list, for one test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORDS = {"limner": "of-the-service", "lamp": "of-a-device"}


def binary() -> str | None:
    """Where mosquitto is, which Debian keeps out of people's path."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class Mosquitto:
    """A broker in `folder`, on `port` of this machine; `ca` is what its certificate is checked against."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def ca(self) -> Path:
        """The certificate of the one who signed the broker's."""
        return self.folder / "broker.pem"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        found = binary()
        assert found is not None
        self.process = subprocess.Popen(
            [found, "-c", str(self.folder / "mosquitto.conf")], stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        lines = iter(self.process.stderr.readline, b"")
        assert any(b"running" in line for line in lines), "mosquitto did not start"

    def stop(self) -> None:
        """End it; what it keeps for clients that are away is written first."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            assert self.process.stderr is not None
            self.process.stderr.close()
            self.process = None


def _configured(folder: Path, port: int) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "broker.key", "-out", folder / "broker.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    passwords = folder / "passwords"
    passwords.write_text(
        "".join(f"{user}:{password}\n" for user, password in PASSWORDS.items()), encoding="utf-8"
    )
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True, capture_output=True)
    (folder / "access").write_text(
        "user limner\ntopic readwrite limner/#\n\n"
        "pattern write limner/requests/%u\npattern read limner/events/%u\npattern read limner/images/%u/#\n",
        encoding="utf-8",
    )
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\n"
        f"certfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
        f"allow_anonymous false\npassword_file {passwords}\nacl_file {folder}/access\n"
        f"persistence true\npersistence_location {folder}/\nlog_dest stderr\n"
        + ("user root\n" if os.getuid() == 0 else ""),
        encoding="utf-8",
    )


@contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """A broker that runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    _configured(folder, port)
    broker = Mosquitto(folder, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
