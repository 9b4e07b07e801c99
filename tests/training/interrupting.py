"""Ctrl-C as the loop hears it: its own handler is called, and no signal is sent to a process that runs other tests."""

from __future__ import annotations

import signal


def press_ctrl_c() -> None:
    """Call what is installed for SIGINT."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)
