"""Waiting for what a page is like; `Page.wait_for_function` may evaluate text in it, which its policy forbids."""

from __future__ import annotations

import time

from playwright.sync_api import Page


def until(page: Page, expression: str) -> None:
    """Wait until an expression of JavaScript is true in the page, at most 15 s."""
    end = time.monotonic() + 15
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"still not so: {expression}"
        page.wait_for_timeout(20)
