"""What is installed, pinned, shipped and documented agrees with what the sources say."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import limner
from tests.test_architecture import EXTRAS, imports, modules

ROOT = Path(__file__).resolve().parent.parent
IMPORTED_AS = {
    "c2pa-python": "c2pa",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "pydantic-core": "pydantic_core",
    **dict.fromkeys(("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"), "opentelemetry"),
}
BY_NAME_ONLY = {"psycopg", "python-multipart", "tensorboard", "safetensors"}
"""Needed by what Limner calls, not by an import of its own."""
WHERE_INSTALLED = {"torchvision", "torchmetrics"}
"""Used where it is there; nothing may need it, for it (or what it needs) has no CPU build everywhere."""
PINNED_BY_TORCH = ("nvidia-", "cuda-", "triton")


@cache
def project() -> dict[str, Any]:
    """The [project] table."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def pins() -> dict[str, str]:
    """Name -> exact version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def requirements(*extras: str) -> list[Requirement]:
    """What the base, or some extras, ask for."""
    optional = project()["optional-dependencies"]
    texts = [text for extra in extras for text in optional[extra]] if extras else project()["dependencies"]
    return [Requirement(text) for text in texts]


def test_the_version_is_said_once() -> None:
    assert limner.__version__ == project()["version"]


def test_the_public_names_exist() -> None:
    assert all(hasattr(limner, name) for name in limner.__all__)


def test_constraints_hold_nothing_but_exact_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    loose = [line for line in lines if not re.fullmatch(r"#.*|[a-z0-9_.-]+==[0-9][0-9a-z.]*", line)]
    assert not loose


def test_all_that_is_needed_has_an_exact_version() -> None:
    waiting = [*requirements(), *requirements(*project()["optional-dependencies"])]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in requirement.extras or {""}:
            if (name, extra) in seen or name.startswith(PINNED_BY_TORCH):
                continue
            seen.add((name, extra))
            try:
                more = [Requirement(text) for text in requires(name) or []]
            except PackageNotFoundError:
                continue
            waiting += [r for r in more if r.marker is None or r.marker.evaluate({"extra": extra})]
    assert {name for name, _ in seen} <= pins().keys()


def test_pins_satisfy_what_is_asked_for() -> None:
    asked = [*requirements(), *requirements(*project()["optional-dependencies"])]
    assert all(pins()[canonicalize_name(r.name)] in r.specifier for r in asked)


def _third_party() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module in modules():
        for name in imports(module):
            top = name.split(".")[0]
            if top != "limner" and top not in sys.stdlib_module_names:
                found.setdefault(top, set()).add(module)
    return found


def test_every_import_is_declared_and_every_dependency_imported() -> None:
    base = {IMPORTED_AS.get(r.name, r.name) for r in requirements()}
    extra = {IMPORTED_AS.get(r.name, r.name) for r in requirements("train", "onnx", "scale")}
    used = _third_party()
    undeclared = {name: where for name, where in used.items() if name not in base | extra | WHERE_INSTALLED}
    assert not undeclared
    assert not (base | extra) - used.keys() - BY_NAME_ONLY
    assert extra - {"opentelemetry"} <= EXTRAS  # of which the base has the interface, with fastapi


def test_every_dependency_is_explained() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    rows = " ".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    explained = set(re.findall(r"[a-z0-9_-]+", rows))
    asked = [*requirements(), *requirements(*project()["optional-dependencies"])]
    assert {r.name for r in asked} <= explained


def test_the_wheel_holds_all_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [f.relative_to(ROOT) for f in (ROOT / "limner").rglob("*") if f.is_file()]
    shipped = {f.as_posix() for f in files if not any(part.startswith((".", "__py")) for part in f.parts)}
    assert shipped <= held
