"""Hostile headers and frames."""

from __future__ import annotations

from .case import CLOSED, IMAGE, JOB, Case, get, job, sent

FOREIGN_HOSTS = [
    "evil.example", "127.0.0.1.evil.example", "evil.example:127.0.0.1", "localhost.evil.example", "0.0.0.0", "127.1",
    "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "localhost@evil.example", "evil.example#localhost", "localhost/x",
    "localhost, evil.example", "", "localhost:80:80", "127.0.0.1%00", "\xb9\xb2\xb7.0.0.1", "localhost\\.evil.example",
]  # fmt: skip
OWN_HOSTS = ["localhost", "LOCALHOST:8400", "127.0.0.1:99999", "[::1]", "[::1]:1"]

FOREIGN_ORIGINS = [
    "http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "http://127.0.0.1.evil.example",
    "http://localhost", "file://", "chrome-extension://a", "http://127.0.0.1@evil.example", "http://127.0.0.1/",
    "127.0.0.1", "http://127.0.0.1, http://evil.example", "*", "javascript:1", "http://127.0.0.1#",
]  # fmt: skip

RANGES = [
    "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=999999999-", "bytes=abc", "bytes=", "bytes",
    "items=0-1", "bytes=0-0,1-1", "bytes=0-,0-,0-", "bytes=" + ",".join(f"{k}-{k}" for k in range(3000)),
    "bytes=" + "0-," * 5000, "bytes=-" + "9" * 400, "bytes=" + "9" * 5000 + "-", "bytes=0-1;x",
    "bytes=\xb2-", "BYTES=0-0",
    "bytes=0x0-0x1", "bytes=--1", "bytes= 0 - 1 ",
]  # fmt: skip

CURSORS = ["-1", "1e9", "NaN", "0x1", "\xb2", "9" * 64, "", " ", "null", "1,2"]
_JSON = "Content-Type: application/json"
_PLAIN = b'{"prompt": "a"}'


def cases() -> list[Case]:
    """All of them."""
    made = [
        Case(f"Host {name!r}", sent("GET", "/v1/jobs", host=f"Host: {name}"), (421, 400))
        for name in FOREIGN_HOSTS
    ]
    made += [
        Case(f"Host {name!r}", sent("GET", "/healthz", host=f"Host: {name}"), (200,)) for name in OWN_HOSTS
    ]
    made += [job(f"Origin {name!r}", {}, 403, headers=[f"Origin: {name}"]) for name in FOREIGN_ORIGINS]
    made += [
        job(f"Sec-Fetch-Site {name}", {}, 403, headers=[f"Sec-Fetch-Site: {name}"])
        for name in ("cross-site", "same-site", "CROSS-SITE", "evil")
    ]
    made += [
        get(f"Range {value:.40}", f"/v1/images/{IMAGE}", 200, 206, 400, 416, headers=[f"Range: {value}"])
        for value in RANGES
    ]
    made += [
        get(
            f"Last-Event-ID {value!r}",
            f"/v1/jobs/{JOB}/events",
            200,
            204,
            headers=[f"Last-Event-ID: {value}"],
        )
        for value in CURSORS
    ]
    made += [
        Case(f"as {kind!r}", sent("POST", "/v1/jobs", _PLAIN, [f"Content-Type: {kind}"]), (415,))
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/json",
            "json",
            "",
        )
    ]
    return made + _odd() + _frames()


def _odd() -> list[Case]:
    good = sent("POST", "/v1/jobs", _PLAIN, [_JSON])
    return [
        get("Last-Event-ID of 65", f"/v1/jobs/{JOB}/events", 422, headers=["Last-Event-ID: " + "1" * 65]),
        get("Accept of 1001", "/v1/models/a/1/card", 422, 404, headers=["Accept: " + "a" * 1001]),
        get(
            "If-None-Match of 9000",
            f"/v1/images/{IMAGE}",
            200,
            422,
            headers=['If-None-Match: "' + "a" * 9000 + '"'],
        ),
        get(
            "If-Range that is nothing",
            f"/v1/images/{IMAGE}",
            200,
            206,
            headers=["If-Range: x", "Range: bytes=0-0"],
        ),
        get(
            "If-Modified-Since in the year 9999",
            f"/v1/images/{IMAGE}",
            200,
            304,
            headers=["If-Modified-Since: 9999"],
        ),
        get("a key that is none", "/v1/models", 200, headers=["Authorization: Bearer \xff\xff"]),
        get(
            "a name for a proxy",
            "/healthz",
            200,
            headers=["X-Forwarded-Host: evil.example", "Forwarded: for=::1"],
        ),
        get(
            "another address by header",
            "/healthz",
            200,
            headers=["X-Original-URL: /v1/jobs", "X-Rewrite-URL: /v1"],
        ),
        get("a cookie of 30 kB", "/healthz", 200, headers=["Cookie: a=" + "b" * 30_000]),
        get("1000 headers", "/healthz", 200, 400, 431, headers=[f"X-{k}: a" for k in range(1000)]),
        get("a header of 100 kB", "/healthz", 200, 400, 431, headers=["X-A: " + "b" * 100_000]),
        get("a null byte in a header", "/healthz", 400, headers=["X-A: a\0b"]),
        get("a line break in a header", "/healthz", 400, headers=["X-A: a\rb"]),
        get("a folded header", "/healthz", 200, 400, headers=["X-A: a", " b"]),
        get("a space before the colon", "/healthz", 400, headers=["X-A : a"]),
        get("no name of a header", "/healthz", 400, headers=[": a"]),
        get("no colon in a header", "/healthz", 400, headers=["nothing"]),
        get(
            "upgrade to a socket",
            "/v1/jobs",
            200,
            400,
            426,
            headers=["Upgrade: websocket", "Sec-WebSocket-Version: 13"],
        ),
        get("upgrade to HTTP/2", "/healthz", 200, headers=["Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]),
        Case("no Host", sent("GET", "/healthz", host=None), (400,)),
        Case("two Hosts", sent("GET", "/healthz", headers=["Host: evil.example"]), (400, 421)),
        Case("no Host in HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n", (421,)),
        Case(
            "two types",
            good.replace(b"Content-Length", b"Content-Type: text/plain\r\nContent-Length"),
            (202, 415),
        ),
    ]


def _frames() -> list[Case]:
    chunked = sent("POST", "/v1/jobs", headers=[_JSON, "Transfer-Encoding: chunked"]).replace(
        b"Content-Length: 0\r\n", b""
    )
    long_body = _PLAIN + b"GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    both = sent("POST", "/v1/jobs", long_body, [_JSON, "Transfer-Encoding: chunked"])
    frames: list[tuple[str, bytes, tuple[int, ...]]] = [
        ("a length and chunks", both, (400,)),
        ("two lengths", sent("POST", "/v1/jobs", _PLAIN, [_JSON, "Content-Length: 3"]), (400,)),
        (
            "the same length twice",
            sent("POST", "/v1/jobs", _PLAIN, [_JSON, "Content-Length: 15"]),
            (202, 400),
        ),
        ("an unknown coding", chunked.replace(b": chunked", b": xchunked") + _PLAIN, (400, 501)),
        ("two codings", chunked.replace(b": chunked", b": gzip, chunked") + b"0\r\n\r\n", (400, 501)),
        ("chunks twice", chunked.replace(b": chunked", b": chunked, chunked") + b"0\r\n\r\n", (400, 501)),
        ("a good chunk", chunked + b"f\r\n" + _PLAIN + b"\r\n0\r\n\r\n", (202,)),
        ("no chunk", chunked + b"0\r\n\r\n", (422, 400)),
        ("a chunk's size that is none", chunked + b"zz\r\n" + _PLAIN + b"\r\n0\r\n\r\n", (400, CLOSED)),
        ("a negative chunk", chunked + b"-1\r\n" + _PLAIN + b"\r\n0\r\n\r\n", (400, CLOSED)),
        ("a chunk of 2 to the 68", chunked + b"F" * 17 + b"\r\n" + _PLAIN, (400, 413, CLOSED)),
        ("a chunk longer than said", chunked + b"1\r\n" + _PLAIN + b"\r\n0\r\n\r\n", (400, CLOSED)),
        (
            "a chunk with 9000 letters beside it",
            chunked + b"1;" + b"a" * 9000 + b"\r\n{\r\n0\r\n\r\n",
            (400, CLOSED),
        ),
        ("a body that is less than said", sent("POST", "/v1/jobs", _PLAIN, [_JSON])[:-4], (400, CLOSED)),
        ("a body with GET", sent("GET", "/healthz", _PLAIN, [_JSON]), (200,)),
        ("Expect", sent("POST", "/v1/jobs", _PLAIN, [_JSON, "Expect: 100-continue"]), (100, 202)),
        (
            "Expect of something else",
            sent("POST", "/v1/jobs", _PLAIN, [_JSON, "Expect: pony"]),
            (202, 417, 400),
        ),
        ("HTTP/0.9", b"GET /\r\n", (400, CLOSED)),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 421, 505)),
        ("HTTP/9.9", sent("GET", "/healthz").replace(b"HTTP/1.1", b"HTTP/9.9"), (200, 400, 505)),
        ("HTTPS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), (400, CLOSED)),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", (400, CLOSED)),
        ("SMTP", b"EHLO evil.example\r\n", (400, CLOSED)),
        ("bytes at random", bytes(range(256)) * 4, (400, CLOSED)),
        ("70 kB without a line break", b"A" * 70_000, (400, 431, CLOSED)),
        ("one letter", b"G", (CLOSED,)),
        ("half of the headers", sent("GET", "/healthz")[:-10], (400, CLOSED)),
        ("empty lines first", b"\r\n\r\n" + sent("GET", "/healthz"), (200, 400)),
        ("lines that end with LF", sent("GET", "/healthz").replace(b"\r\n", b"\n"), (200, 400)),
    ]
    return [Case(f"frame: {name}", request, expects) for name, request, expects in frames]
