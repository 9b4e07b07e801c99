"""Hostile addresses, methods and questions."""

from __future__ import annotations

from .case import IMAGE, Case, get, sent

OUT_OF_THE_PAGES = [
    "/pages/../app.py", "/pages/%2e%2e/app.py", "/pages/..%2fapp.py", "/pages/%2e%2e%2f%2e%2e%2fetc/passwd",
    "/pages//etc/passwd", "/pages/..%5capp.py", "/pages/%00", "/pages/main.js%00.png", "/pages/.", "/pages/..",
    "/pages/" + "a" * 5000, "/pages/" + "a/" * 2000, "/pages/%ff%fe", "/pages/~root", "/pages/con",
    "/pages/%252e%252e/app.py", "/pages/....//app.py", "/pages/__init__.py", "/../etc/passwd", "//etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd", "/.git/config", "/.env", "/limner.db", "/docs", "/redoc", "/v1", "/v1/",
]  # fmt: skip

NO_IDS = [
    "%00", "'%20OR%201=1%20--", "%22", "%27%3b%20DROP%20TABLE%20jobs", "a" * 10_000, "%F0%9F%98%80", "%ff", "%", "%zz",
    ".", "null", "None", "0", "-1", "*", "%2a", "1e9", "%0d%0aSet-Cookie:%20a=b", "..%2f..%2flimner.db", "%252e", "{}",
    "[]", "$where", "undefined", "%E2%80%AE", "x%20y", ";", "a;b=c", "%c0%ae%c0%ae",
]  # fmt: skip

QUESTIONS = [
    ("/v1/jobs?limit=0", 422), ("/v1/jobs?limit=-1", 422), ("/v1/jobs?limit=101", 422), ("/v1/jobs?limit=1e1", 422),
    ("/v1/jobs?limit=NaN", 422), ("/v1/jobs?limit=", 422), ("/v1/jobs?limit=" + "9" * 5000, 422),
    ("/v1/jobs?limit=%00", 422), ("/v1/jobs?limit=1%3bDROP", 422), ("/v1/jobs?limit[]=1", 200),
    ("/v1/jobs?limit=1&limit=0", 422), ("/v1/jobs?before=" + "a" * 65, 422), ("/v1/jobs?before=%00", 404),
    ("/v1/jobs?before='%20OR%201=1", 404), ("/v1/jobs?before=%ff", 404), ("/v1/jobs?unknown=1", 200),
    ("/v1/jobs?&&&==&%", 200), ("/v1/jobs?" + "a=b&" * 3000, 200), ("/v1/ideas?n=0", 422), ("/v1/ideas?n=21", 422),
    ("/v1/ideas?n=1.5", 422), ("/v1/ideas?n=true", 422), ("/healthz?x=<script>", 200), ("/?next=//evil.example", 200),
]  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    made = [get(f"path {path:.60}", path, 404) for path in OUT_OF_THE_PAGES]
    for name in NO_IDS:
        made.append(get(f"job {name:.40}", f"/v1/jobs/{name}", 404))
        made.append(get(f"picture {name:.40}", f"/v1/images/{name}", 404))
    for name in NO_IDS[:12]:
        made.append(get(f"events of {name:.40}", f"/v1/jobs/{name}/events", 404))
        made.append(get(f"card of {name:.40}", f"/v1/models/{name}/{name}/card", 404))
        made.append(Case(f"cancel {name:.40}", sent("DELETE", f"/v1/jobs/{name}"), (404,)))
    made += [
        get(f"picture {name:.40}", f"/v1/images/{name}", 404) for name in ("0" * 64, "A" * 64, f"{IMAGE}.png")
    ]
    made += [get(f"question {target:.60}", target, status) for target, status in QUESTIONS]
    return made + _methods()


def _methods() -> list[Case]:
    made = [
        Case(f"{method} {path}", sent(method, path), (405,))
        for method in ("TRACE", "FOO", "PROPFIND", "OPTIONS", "PATCH", "PUT", "DELETE")
        for path in ("/v1/jobs", "/healthz")
    ]
    return [
        *made,
        Case("a small method", sent("get", "/healthz"), (400, 405)),
        Case("a method of 5000 letters", sent("A" * 5000, "/healthz"), (400, 405)),
        Case("a method with a bracket", sent("GE(T", "/healthz"), (400,)),
        get("a file as a folder", "/pages/main.js/", 404, 200),
        Case("no address", b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", (400,)),
        Case("an address with a space", sent("GET", "/v1/jobs /x"), (400,)),
        Case("an address in UTF-8", sent("GET", "/v1/jobs/ä".encode()), (400, 404)),
        Case("the address of another", sent("GET", "http://evil.example/healthz"), (400, 404, 421)),
        Case(
            "the address with a name and a key", sent("GET", "http://a:b@127.0.0.1/healthz"), (200, 400, 404)
        ),
        Case("an address that is a file", sent("GET", "file:///etc/passwd"), (400, 404)),
        Case("a star", sent("OPTIONS", "*"), (400, 404, 405)),
        Case("a tunnel", sent("CONNECT", "evil.example:443"), (400, 404, 405)),
        Case("a line break in the address", sent("GET", "/v1/jobs\n/x"), (400,)),
        Case("an address of 70 kB", sent("GET", "/" + "a" * 70_000), (404, 400, 414, 431)),
        Case(
            "a method in a header", sent("POST", "/healthz", headers=["X-HTTP-Method-Override: GET"]), (405,)
        ),
    ]
