from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.service.mqtt.broker import Broker, broker_of

from .mosquitto import PASSWORDS, Mosquitto, binary, mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real broker; skips where Debian's mosquitto, its clients or openssl are not here."""
    missing = [
        name for name in ("mosquitto_pub", "mosquitto_passwd", "openssl") if shutil.which(name) is None
    ]
    if missing or binary() is None:
        pytest.skip(
            f"needs mosquitto, mosquitto-clients and openssl ({', '.join(missing) or 'mosquitto'} not found)"
        )
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with mosquitto(folder) as running:
        yield running


@pytest.fixture
def address(broker: Mosquitto) -> Broker:
    """The broker as the service is told of it."""
    return broker_of(f"mqtts://limner@localhost:{broker.port}/limner", PASSWORDS["limner"], broker.ca)


@pytest.fixture
def trust(broker: Mosquitto) -> ssl.SSLContext:
    """What a device checks the broker's certificate against."""
    return ssl.create_default_context(cafile=str(broker.ca))
