"""The commands of docs/mqtt.md, run as they stand against a real broker."""

from __future__ import annotations

import io
import re
import subprocess
import time
from pathlib import Path

from PIL import Image

from limner.service.app import create_app
from limner.service.mqtt.broker import Broker
from tests.service.fake_studio import FakeStudio
from tests.service.running import running

from .mosquitto import PASSWORDS, Mosquitto

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "mqtt.md").read_text("utf-8")


def test_the_commands_draw_a_picture(tmp_path: Path, broker: Mosquitto, address: Broker) -> None:
    (block,) = re.findall(r"```sh\n(mosquitto_sub.*?)```", TEXT, re.DOTALL)
    block = block.replace("broker.example", "localhost").replace("8883", str(broker.port))
    block = block.replace("ca.pem", str(broker.ca)).replace("-P secret", f"-P {PASSWORDS['lamp']}")
    events, picture, publish = re.split(r"\n(?=mosquitto_)", block.strip())
    studio = FakeStudio()
    studio.gate.clear()
    app = create_app(tmp_path, studio, drain_seconds=0.2, broker=address)
    with running(app):
        while not (hasattr(app.state, "bridge") and app.state.bridge.ready.is_set()):
            time.sleep(0.02)
        told = subprocess.Popen(f"exec stdbuf -oL {events} -d", shell=True, stdout=subprocess.PIPE, text=True)
        drawn = subprocess.Popen(f"exec {picture.split(' > ')[0]}", shell=True, stdout=subprocess.PIPE)
        assert told.stdout is not None
        try:
            assert any("SUBACK" in line for line in iter(told.stdout.readline, ""))
            subprocess.run(publish, shell=True, check=True, timeout=60)
            assert any('"accepted"' in line for line in iter(told.stdout.readline, ""))
            studio.gate.set()
            png, _ = drawn.communicate(timeout=120)
            assert Image.open(io.BytesIO(png)).getpixel((0, 0)) == (7, 0, 99)
            assert any('"succeeded"' in line for line in iter(told.stdout.readline, ""))
        finally:
            told.kill()
            told.wait()
            told.stdout.close()
            drawn.kill()
            drawn.wait()
