"""How a card and a comparison look: one style, light and dark, that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STYLE = """
:root { color-scheme: light dark; --ink: #23202b; --soft: #6b6676; --paper: #faf8f4; --card: #fff; --line: #e4dfd6;
  --good: #1f7a4d; --bad: #b3323a; --bar: #4f6bd8; --chance: #b9b3c6; }
@media (prefers-color-scheme: dark) { :root { --ink: #efecf4; --soft: #a49fb2; --paper: #17151c; --card: #211e28;
  --line: #37323f; --good: #62c997; --bad: #f0868c; --bar: #8aa0ff; --chance: #5b5568; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0; } .soft { color: var(--soft); }
.columns { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
section.card { background: var(--card); border: 1px solid var(--line); border-radius: .8rem; padding: 1rem;
  min-width: 0; }
section.card h3 { margin: 0 0 .6rem; font-size: 1rem; }
.rate { display: grid; grid-template-columns: 7.4rem 1fr 4.2rem; gap: .6rem; align-items: center; margin: .45rem 0; }
.rate b { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { position: relative; height: .8rem; border-radius: .4rem; background: var(--line); }
.bar i { position: absolute; inset: 0 auto 0 0; border-radius: .4rem; background: var(--bar); }
.bar u { position: absolute; top: -.15rem; bottom: -.15rem; width: 2px; background: var(--ink); opacity: .55; }
.bar s { position: absolute; top: .2rem; bottom: .2rem; background: var(--ink); opacity: .4; }
.rate small { grid-column: 2 / 4; color: var(--soft); margin-top: -.55rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .5rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--soft); font-weight: 500; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; } dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.pictures { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(9.6rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
figure img { display: block; width: 100%; aspect-ratio: 1; }
figcaption { padding: .5rem .6rem .7rem; font-size: .85rem; }
ul { list-style: none; margin: .35rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem .7rem;
  font-size: .78rem; }
.value { display: flex; align-items: baseline; gap: .6rem; margin: 0; font-variant-numeric: tabular-nums; }
.value b { font-size: 1.5rem; } .value small { color: var(--soft); }
.score svg, .plot svg { display: block; width: 100%; height: auto; overflow: visible; }
svg .track { stroke: var(--line); stroke-width: 3; stroke-linecap: round; }
svg .span { fill: var(--bar); opacity: .35; }
svg circle.drawn { fill: var(--bar); stroke: var(--card); stroke-width: 2; }
svg path { fill: none; stroke-width: 2.5; } svg path.true { stroke: var(--good); }
svg path.other { stroke: var(--chance); } .plot path.drawn { fill: var(--bar); fill-opacity: .3; stroke: var(--bar); }
svg text { fill: var(--soft); font-size: 11px; }
.legend i { display: inline-block; width: .7rem; height: .7rem; border-radius: .2rem; margin-right: .3rem; }
.legend .drawn { background: var(--bar); } .legend .true { background: var(--good); }
.legend .other { background: var(--chance); } .legend { margin-bottom: .2rem; } .note { font-size: .8rem; margin: 0; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1px; background: var(--line); }
.numbers small { display: block; color: var(--soft); font-weight: 400; } .numbers td { vertical-align: top; }
.numbers th, .numbers td { white-space: normal; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; }
  .numbers { font-size: .8rem; } .numbers th, .numbers td { padding: .3rem .25rem; } }
.compared { max-width: 56rem; } .compared h3 { font-size: .95rem; font-weight: 500; margin: 1.2rem 0 .4rem; }
.row { display: grid; gap: .6rem; } .names { position: sticky; top: 0; padding: .5rem 0; background: var(--paper);
  border-bottom: 1px solid var(--line); z-index: 1; } .names b { overflow-wrap: anywhere; }
.missing { display: block; color: var(--soft); font-size: .85rem; }
.yes { color: var(--good); } .no { color: var(--bad); }
"""


def jpeg(pixels: NDArray[np.uint8]) -> str:
    """A picture, uint8 (H, W, 3), as the address of an img."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def whole(title: str, body: str) -> str:
    """A page called `title` around HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
