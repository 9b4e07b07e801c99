"""Devices without HTTP: requests, events and pictures by way of an MQTT broker. docs/mqtt.md has the topics.

`broker` says where it is, `messages` what goes over it, `inbox` keeps what was asked, `bridge` does the work.
"""

from .broker import Broker
from .inbox import Inbox

__all__ = ["Broker", "Inbox"]
