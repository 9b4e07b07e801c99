from __future__ import annotations

import builtins
import io
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from safetensors import SafetensorError

from limner import __version__
from limner.cli import app as module
from tests.cli.conftest import Run, refused

VERBS = [
    ["draw"],
    ["serve"],
    ["train"],
    ["distill"],
    ["evaluate"],
    ["compare"],
    ["data", "storybook"],
    ["data", "check"],
    ["models", "list"],
    ["models", "show"],
    ["keys", "create"],
    ["keys", "list"],
    ["backup"],
    ["restore"],
    ["storage"],
    ["keys", "revoke"],
    ["keys", "rotate"],
    ["feedback", "export"],
    ["jobs", "failed"],
    ["jobs", "retry"],
]


def test_every_verb_has_help(run: Run) -> None:
    for verb in VERBS:
        result = run(*verb, "--help")
        assert result.exit_code == 0, result.output
        assert verb[-1] in result.stdout


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"limner {__version__}\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from limner.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'fastapi', 'numpy', 'pydantic', 'openvino', 'PIL')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_draw_loads_neither_torch_nor_the_service(tiny_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from limner.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = ('torch', 'fastapi', 'sqlalchemy', 'uvicorn', 'transformers', 'diffusers')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    arguments = ["draw", "x", "-o", str(tmp_path / "a.png"), "--model", str(tiny_model), "--steps", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LIMNER_DATA_DIR": str(tmp_path)},
    )
    assert done.stderr.strip().splitlines()[-1] == "[]", done.stderr


def test_train_hands_the_recipe_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    module = types.ModuleType("limner.training.run")
    module.train = lambda *arguments: calls.append(arguments)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "limner.training.run", module)
    assert run("train", "recipes/birds.toml").exit_code == 0
    assert run("train", "birds.toml", "--out", "here", "--resume").exit_code == 0
    assert run("train", "birds.toml", "--out", "here", "--anew").exit_code == 0
    assert calls == [
        (Path("recipes/birds.toml"), Path("runs/birds"), False, None, None, False),
        (Path("birds.toml"), Path("here"), True, None, None, False),
        (Path("birds.toml"), Path("here"), False, None, None, True),
    ]


def test_evaluate_hands_the_model_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    module = types.ModuleType("limner.evaluation.run")

    def evaluate(*arguments: Any) -> Path:
        calls.append(arguments)
        return Path("the-card")

    module.evaluate = evaluate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "limner.evaluation.run", module)
    assert run("evaluate", "tiny").output.strip().endswith("the-card")
    what = ("--data", "birds", "--matcher", "m", "--inception", "i.pth", "--prompts", "six")
    assert run("evaluate", "tiny", "--out", "here", "--seeds", 2, "--n", 5, *what).exit_code == 0
    assert calls == [
        ("tiny", None, 3, None, None, None, None, None, None),
        ("tiny", Path("here"), 2, 5, None, "birds", "six", "m", Path("i.pth")),
    ]


def test_compare_hands_the_models_over(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    module = types.ModuleType("limner.evaluation.comparing")

    def compare(*arguments: Any) -> Path:
        calls.append(arguments)
        return Path("the-page")

    module.compare = compare  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "limner.evaluation.comparing", module)
    assert run("compare", "a", "b", "--data", "birds", "--n", 4).output.strip().endswith("the-page")
    assert calls == [(["a", "b"], None, 3, 4, None, "birds", None, None, None)]


def test_a_missing_extra_is_one_line_with_the_way_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "limner.training.run", raising=False)
    real = builtins.__import__

    def without_torch(name: str, *rest: Any) -> Any:
        if name.startswith("training") or name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    line = refused(run("train", "recipe.toml"))
    assert "training needs torch" in line
    assert "pip install -e '.[train]' -c constraints.txt" in line


def test_serve_refuses_other_machines(run: Run) -> None:
    assert "0.0.0.0" in refused(run("serve", "--host", "0.0.0.0"))


def test_an_error_of_the_file_system_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_DATA_DIR", "/dev/null/models")
    assert "/dev/null/models" in refused(run("models", "list"))


def test_weights_that_cannot_be_written_are_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("limner.registry.Registry.models", full)
    assert "No space left" in refused(run("models", "list"))


def test_a_name_that_is_no_text_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    written = [io.BytesIO(), io.BytesIO()]
    for name, stream in zip(("stdout", "stderr"), written, strict=True):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, "utf-8"))

    def tells(prog_name: str) -> None:
        for err in (False, True):
            typer.echo(os.fsdecode(b"caf\xe9.png"), err=err)

    monkeypatch.setattr(module, "app", tells)
    before = signal.getsignal(signal.SIGTERM)
    try:
        module.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [stream.getvalue() for stream in written] == [b"caf\\udce9.png\n"] * 2


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_ends_a_long_verb_quietly_with_its_workers(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    out = tmp_path / "set"
    command = [sys.executable, "-c", "from limner.cli import main; main()"]
    arguments = ["data", "storybook", str(out), "--count", "100000", "--size", "32"]
    # A shell that starts the tests in the background has them ignore Ctrl-C, and children inherit that.
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while not list((out / ".parts").glob("*.jsonl")):
            assert process.poll() is None
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, stdout) == (code, "")
    assert stderr == "" or sent == signal.SIGKILL
    assert started or os.cpu_count() == 1
    assert psutil.wait_procs(started, timeout=60)[1] == []
