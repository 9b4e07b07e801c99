"""Gates of other packages: the one that docs/gates.md shows is installed and asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from limner.engine.request import DrawRequest
from limner.errors import InvalidInput, LimnerError, Refused, Unavailable
from limner.service.gates import GateOptions, open_gates

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "gates.md"
NIGHT, DAY = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 200, np.uint8)


def shown(name: str) -> str:
    """What the document shows of a file."""
    found = re.search(rf"`{re.escape(name)}`:\n```\w+\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


def install(folder: Path, name: str, points: str) -> None:
    """What pip leaves of a package."""
    info = folder / f"{name.replace('-', '_')}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages, with the document's in it."""
    module = shown("shop_gates.py")
    assert len(module.splitlines()) <= 15
    (tmp_path / "shop_gates.py").write_text(module, encoding="utf-8")
    groups = re.findall(r'entry-points\."([\w.]+)"\]\n(\w+ = "[^"]+")', shown("pyproject.toml"))
    assert [group for group, _ in groups] == ["limner.prompt_gates", "limner.picture_gates"]
    points = "".join(f"[{group}]\n{line}\n".replace('"', "") for group, line in groups)
    install(tmp_path, "shop-gates", points)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("shop_gates", None)


def test_the_documents_gate_is_found_by_its_name(site: Path) -> None:
    gates = open_gates(GateOptions(names=("shop",)))
    gates.check_prompt(DrawRequest(prompt="a red apple"))
    with pytest.raises(Refused) as refused:
        gates.check_prompt(DrawRequest(prompt="The ACME tower"))
    assert (refused.value.gate, refused.value.reason) == ("shop", "we do not draw acme")
    gates.check_picture(DAY, "picture")
    with pytest.raises(Refused, match="nearly black"):
        gates.check_picture(NIGHT, "picture")


def test_what_is_not_chosen_is_not_asked(site: Path) -> None:
    gates = open_gates(GateOptions())
    assert not gates.look_at_pictures
    gates.check_prompt(DrawRequest(prompt="acme"))


def test_words_and_gates_go_together(site: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("gun\n", encoding="utf-8")
    gates = open_gates(GateOptions(tmp_path / "words.txt", ("shop",)))
    for prompt, gate in [("a gun", "words"), ("acme", "shop")]:
        with pytest.raises(Refused) as refused:
            gates.check_prompt(DrawRequest(prompt=prompt))
        assert refused.value.gate == gate


@pytest.mark.parametrize(
    ("name", "points", "kind", "said"),
    [
        ("shop2", "", InvalidInput, "known: shop"),
        ("gone", "gone = nowhere:make", Unavailable, "ModuleNotFoundError"),
        ("bad", "bad = shop_gates:missing", Unavailable, "AttributeError"),
        ("none", "none = builtins:dict", Unavailable, "nothing to call"),
        ("needs", "needs = builtins:chr", Unavailable, "TypeError"),
        ("shop", "shop = builtins:dict", InvalidInput, "uninstall one"),
        ("words", "words = shop_gates:make", InvalidInput, "'words'"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(
    site: Path, name: str, points: str, kind: type[LimnerError], said: str
) -> None:
    install(site, "other", f"[limner.prompt_gates]\n{points}\n")
    with pytest.raises(kind) as refused:
        open_gates(GateOptions(names=(name,)))
    assert said in str(refused.value) and name in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("seconds", [0, 61, float("nan")])
def test_a_gate_has_a_time_limit_of_some_sense(seconds: float) -> None:
    with pytest.raises(InvalidInput, match=r"0\.1 to 60"):
        open_gates(GateOptions(seconds=seconds))
