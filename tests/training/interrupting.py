"""Signals as the loop hears them: its own handler is called, and none is sent to a process that runs other tests."""

from __future__ import annotations

import signal


def press_ctrl_c(number: signal.Signals = signal.SIGINT) -> None:
    """Call what is installed for SIGINT, or for another signal."""
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)
