"""What ARCHITECTURE.md promises about imports, names and sizes, read from the sources themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "limner"

ARROWS = {
    "errors": set[str](),
    "extras": set(),
    "answers": set(),
    "pictures": set(),
    "sheets": set(),
    "workers": set(),
    "storybook": set(),
    "registry": set(),
    "data": {"registry", "storybook"},
    "programs": {"registry", "engine", "storybook"},
    "engine": {"registry", "programs"},
    "families": {"registry", "engine", "programs", "data", "training", "storybook"},
    "training": {"registry", "engine", "programs", "data", "families", "storybook"},
    "evaluation": {"registry", "engine", "programs", "data", "families", "storybook", "training"},
    "optimizing": {"registry", "engine", "programs", "evaluation", "storybook"},
    "provenance": set(),
    "service": {"answers", "registry", "engine", "storybook", "provenance"},
    "client": {"answers"},
    "api": {"registry", "engine", "programs", "families"},
    "limner": {"api"},
    "cli": {
        "answers", "api", "client", "data", "engine", "evaluation", "families", "optimizing", "programs", "provenance",
        "registry", "service", "storybook", "training",
    },
}  # fmt: skip
"""Part -> the parts that it may import, besides errors, extras, pictures, sheets, workers and the version. "programs"
is the torch-free half of families, "families" the rest."""

HEAVY = frozenset({"torch", "torchvision", "diffusers", "transformers", "accelerate"})
SCALE = frozenset({"aiomqtt", "c2pa", "cryptography", "obstore", "psycopg"})
EXTRAS = HEAVY | SCALE | {"onnxruntime", "onnxscript", "peft", "safetensors", "scipy", "tensorboard"}
NEEDS_EXTRAS = (
    "limner.training",
    "limner.evaluation",
    "limner.optimizing",
    "limner.storybook.checker",
    "limner.engine.backends.onnxruntime",
    "limner.engine.backends.torch",
    "limner.service.watching.traces",
)
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
LINES = 400


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def _absolute(node: ast.ImportFrom, package: list[str]) -> Iterator[str]:
    base = package[: len(package) - node.level + 1] if node.level else []
    module = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        inner = f"{module}.{alias.name}"
        yield inner if inner in modules() else module


def _imports(node: ast.AST, package: list[str], at_import: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from _absolute(child, package)
        elif at_import and _runs_later(child):
            continue
        else:
            yield from _imports(child, package, at_import)


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


@cache
def imports(module: str, at_import: bool = False) -> frozenset[str]:
    """What a module imports anywhere in it, or only what it imports while it is itself imported."""
    file = modules()[module]
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    return frozenset(_imports(ast.parse(file.read_text("utf-8")), package, at_import))


@cache
def torch_free_half() -> frozenset[str]:
    """The modules of families that the base runs: a program, or the matcher, and what they import there."""
    inside = [m for m in modules() if m.startswith("limner.families.")]
    roots = {m for m in inside if m.endswith((".program", ".matcher.matcher", ".matcher.opening"))}
    found = {"limner.families", *roots, *(m.rpartition(".")[0] for m in roots)}
    waiting = list(found)
    while waiting:
        for name in imports(waiting.pop()):
            if name.startswith("limner.families.") and name not in found and name in modules():
                found.add(name)
                waiting.append(name)
    return frozenset(found)


def part(module: str) -> str:
    """The part of ARROWS that a module belongs to."""
    if module in torch_free_half():
        return "programs"
    return module.split(".")[1] if "." in module else module


def base_modules() -> list[str]:
    """Modules that must work with the base dependencies alone."""
    alembic_runs_it = "limner.service.migrations.env"
    return [
        m
        for m in modules()
        if part(m) != "families" and not m.startswith(NEEDS_EXTRAS) and m != alembic_runs_it
    ]


@pytest.mark.parametrize("module", modules())
def test_imports_follow_the_arrows(module: str) -> None:
    own = part(module)
    wrong = [
        name
        for name in imports(module)
        if name.split(".")[0] == "limner"
        and part(name)
        not in ARROWS[own] | {own, "errors", "extras", "pictures", "sheets", "workers", "limner"}
    ]
    assert not wrong, f"{module} ({own}) may import {sorted(ARROWS[own])}, but imports {wrong}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        for name in imports(module, at_import=True) & modules().keys():
            if not module.startswith(f"{name}."):
                visit(name, (*path, module))
        done.add(module)

    for module in modules():
        visit(module, ())


@pytest.mark.parametrize("module", base_modules())
def test_torch_is_not_named_where_the_base_must_do(module: str) -> None:
    heavy = {name for name in imports(module) if name.split(".")[0] in HEAVY}
    assert not heavy, f"{module} imports {heavy}"


PROBE = """
import importlib, sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r} in the base", name=name)

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Blocker())
for module in sys.stdin.read().split():
    importlib.import_module(module)
from typer.testing import CliRunner
from limner.cli.app import app
imports = "models import sd", "models import attngan", "backup", "restore", "storage", "verify"
verbs = "draw", "serve", "top", "train", "evaluate", "compare", "data storybook", "data check", "models list", *imports
for verb in ("", *verbs):
    result = CliRunner().invoke(app, [*verb.split(), "--help"])
    assert result.exit_code == 0, (verb, result.output)
"""


def test_the_base_works_without_any_extra() -> None:
    probe = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(sorted(EXTRAS))],
        input="\n".join(base_modules()),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert probe.returncode == 0, probe.stderr[-2000:]


def test_help_and_a_cold_start_import_little() -> None:
    code = "import sys, limner.cli, limner.api; print(*sys.modules)"
    probe = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    loaded = {name.split(".")[0] for name in probe.stdout.split()}
    assert not loaded & {
        *EXTRAS,
        "onnx",
        "huggingface_hub",
        "fastapi",
        "sqlalchemy",
        "alembic",
        "openvino",
        "uvicorn",
    }, probe.stderr


def _sources() -> list[Path]:
    folders = [PACKAGE, ROOT / "tests", ROOT / "benchmarks"]
    files = [file for folder in folders for kind in ("*.py", "*.js") for file in folder.rglob(kind)]
    return [file for file in files if "node_modules" not in file.parts]


def test_a_file_is_a_room_with_one_purpose() -> None:
    long = {file.relative_to(ROOT): count for file in _sources() if (count := _lines(file)) > LINES}
    assert not long, f"over {LINES} lines: {long}"


def _lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def test_names_say_what_is_inside() -> None:
    named = {file.relative_to(ROOT) for file in _sources() if BANNED_NAMES & {file.stem, file.parent.name}}
    assert not named


def test_every_module_says_what_it_is_for() -> None:
    trees = {name: ast.parse(file.read_text("utf-8")) for name, file in modules().items()}
    silent = [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)]
    assert not silent


def test_public_things_say_what_they_do() -> None:
    silent = []
    for name, file in modules().items():
        for node in ast.parse(file.read_text("utf-8")).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            drawing = name.startswith(("limner.storybook.subjects.", "limner.service.migrations."))
            if public and not drawing and not ast.get_docstring(node):  # type: ignore[arg-type]
                silent.append(f"{name}.{node.name}")  # type: ignore[attr-defined]
    assert not silent
