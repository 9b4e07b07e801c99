from __future__ import annotations

import signal
import time

from limner.workers import workers


def test_workers_leave_ctrl_c_to_the_first_process() -> None:
    with workers(1) as pool:
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def test_what_waits_when_the_pool_is_left_is_not_done() -> None:
    with workers(1) as pool:
        assert pool.submit(abs, -1).result() == 1
        waiting = [pool.submit(time.sleep, 0.05) for _ in range(400)]
    assert any(each.cancelled() for each in waiting)
