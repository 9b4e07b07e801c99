from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from limner.errors import InvalidInput
from limner.service.mqtt.broker import broker_of


def test_an_address_in_full_and_in_short() -> None:
    full = broker_of("mqtts://a%40b@broker.example:8884/home/pictures", "secret")
    assert (full.host, full.port, full.prefix, full.user) == ("broker.example", 8884, "home/pictures", "a@b")
    assert isinstance(full.tls, ssl.SSLContext) and full.tls.verify_mode == ssl.CERT_REQUIRED
    assert "secret" not in repr(full)
    short = broker_of("mqtt://localhost")
    assert (short.port, short.prefix, short.user, short.tls) == (1883, "limner", None, None)
    assert broker_of("mqtts://broker.example").port == 8883


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "no address"),
        ("broker.example", "no address"),
        ("http://broker.example", "no address"),
        ("mqtts://", "no address"),
        ("mqtts://a:b@broker.example", "LIMNER_MQTT_PASSWORD"),
        ("mqtt://broker.example", "in clear"),
        ("mqtts://broker.example:x", "no address"),
        ("mqtts://broker.example/#", "no address"),
        ("mqtts://broker.example/a//b", "prefix"),
        ("mqtts://broker.example/+/a", "prefix"),
        ("mqtts://broker.example/$SYS", "prefix"),
        ("mqtts://broker.example/a?b", "no address"),
    ],
)
def test_what_is_no_address_is_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        broker_of(url)
    assert caught.value.field == "mqtt" and ":b@" not in str(caught.value)


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing", encoding="utf-8")
    for file in ("none.pem", "missing.pem"):
        with pytest.raises(InvalidInput, match=file):
            broker_of("mqtts://broker.example", ca=tmp_path / file)
