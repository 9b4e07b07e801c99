"""What never changes and may be kept: by its client for ever, by nginx in front as long as it asks each time."""

from __future__ import annotations

YEAR = 31_536_000


def unchanging(tag: str) -> dict[str, str]:
    """Headers of an answer that is always the same, and that not everybody may have; `tag` stands for its bytes.

    For nginx it is out of date from the start (1970): it keeps the bytes, and asks with each client's own key or cookie
    whether that one may have them (docs/proxy.md). It takes the header out of the answer.
    """
    return {
        "Cache-Control": f"private, max-age={YEAR}, immutable",
        "ETag": f'"{tag}"',
        "X-Accel-Expires": "@1",
    }


def is_named(if_none_match: str, tag: str) -> bool:
    """Whether a client that sends this If-None-Match has the answer with that tag (RFC 9110, 13.1.2)."""
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return bool(tags & {"*", f'"{tag}"'})
