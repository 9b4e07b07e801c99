from __future__ import annotations

import json
from pathlib import Path

import pytest

from limner.service import server
from limner.service.database import open_database
from tests.cli.conftest import Run, refused


def test_a_key_is_made_listed_rotated_and_revoked(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "phone app", "--scopes", "read, draw", "--quota", 5000, "--rate", 30)
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert "not shown again" in made.stderr and secret not in made.stderr
    new = f"{tmp_path / 'data' / 'limner.db'} is new"
    assert new in made.stderr
    (row,) = json.loads(run("keys", "list", "--json").stdout)
    assert secret.startswith(row["prefix"]) and row["scopes"] == ["draw", "read"]
    assert (row["quota"], row["rate"], row["revoked_at"]) == (5000, 30.0, None)
    shown = run("keys", "list").stdout
    assert "phone app" in shown and "since 20" in shown and secret not in shown
    beside = run("keys", "create", "screen", "--of", "phone app", "--scopes", "read", "--scopes", "admin")
    assert beside.exit_code == 0 and new not in beside.stderr
    assert [row["scopes"] for row in json.loads(run("keys", "list", "--json").stdout)][1] == ["admin", "read"]
    assert "screen (of phone app)" in run("keys", "list").stdout
    assert "weight 2.5" in run("keys", "set", "screen", "--weight", 2.5).stdout
    assert [row["weight"] for row in json.loads(run("keys", "list", "--json").stdout)] == [1, 2.5]
    again = run("keys", "rotate", row["prefix"])
    assert again.stdout.strip() != secret and again.stdout.startswith(row["prefix"])
    assert run("keys", "revoke", "phone app").exit_code == 0
    assert "revoked" in run("keys", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a", "--scopes", "write"], "draw, read, admin"),
        (["create", "a", "--of", "b"], "no key 'b'; known: none"),
        (["create", "a", "--weight", "0"], "0.01 to 100"),
        (["set", "b", "--weight", "2"], "no key 'b'"),
        (["revoke", "b"], "no key 'b'"),
        (["rotate", "b"], "no key 'b'"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "data").mkdir()
    open_database(tmp_path / "data" / "limner.db").dispose()
    assert said in refused(run("keys", *arguments))


def test_without_a_key_nothing_is_served_beyond_this_machine(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[object] = []
    monkeypatch.setattr(server, "run_app", lambda app, *_: served.append(app))
    assert "limner keys create" in refused(run("serve", "--host", "0.0.0.0", "--port", "0"))
    assert run("keys", "create", "app").exit_code == 0
    result = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 0, result.output
    assert len(served) == 1
