"""`limner keys`: who may use a service. They work while the service runs, from its next request on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, DatabaseUrl, DataDir

if TYPE_CHECKING:
    from ..service.access import KeyStore

Named = Annotated[str, typer.Argument(metavar="KEY", help="Its name, or what its secret begins with.")]


def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as phone-app.")],
    scopes: Annotated[
        list[str], typer.Option(help="What it may do: draw, read, admin; several with commas, or one by one.")
    ] = ["draw,read"],  # noqa: B006
    of: Annotated[
        str | None, typer.Option(metavar="KEY", help="A key whose jobs and pictures it shares.")
    ] = None,
    quota: Annotated[
        int | None, typer.Option(help="Compute units a day. [default: no limit]", metavar="UNITS")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests a minute. [default: no limit]")] = None,
    weight: Annotated[float, typer.Option(help="Its share of the time: 2 gets twice as much as 1.")] = 1.0,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Make a key and print its secret, once. With the first one, the service asks everybody for a key."""
    from ..registry.places import data_dir as place
    from ..service.database import DATABASE_NAME

    file = place(data_dir) / DATABASE_NAME
    is_new = not database and not file.exists()
    with _keys(data_dir, database, make=True) as keys:
        may = [one.strip() for said in scopes for one in said.split(",")]
        key, secret = keys.create(name, may, of, quota, rate, weight)
    if is_new:
        typer.echo(f"{file} is new: the key is for the service of that data directory", err=True)
    typer.echo(
        f"key '{key.name}' may {', '.join(sorted(key.scopes))}; keep its secret, it is not shown again:",
        err=True,
    )
    typer.echo(secret)


def list_keys(data_dir: DataDir = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the keys, revoked ones too; never a secret."""
    from ..service.access.quotas import used_today

    with _keys(data_dir, database) as keys:
        found, used = keys.all(), used_today(keys.engine)
    if as_json:
        import json

        from ..service.access.admin import key_view

        rows = [key_view(key, used).model_dump() for key in found]
        typer.echo(json.dumps(rows, indent=1))
        return
    from datetime import datetime

    from rich.console import Console
    from rich.table import Column, Table

    if not found:
        typer.echo("no keys; make one with `limner keys create NAME`")
        return
    names = {key.id: key.name for key in found}
    table = Table(
        "key", Column("begins with", no_wrap=True), "may", "units today", "a minute", "weight", "state"
    )
    for key in found:
        shared = "" if key.owner == key.id else f" (of {names.get(key.owner, key.owner)})"
        when = datetime.fromtimestamp(key.revoked_at or key.created_at).astimezone().strftime("%Y-%m-%d")
        table.add_row(
            key.name + shared,
            key.prefix,
            ", ".join(sorted(key.scopes)),
            _units(used.get(key.id, 0.0), key.quota),
            "" if key.rate is None else f"{key.rate:g}",
            f"{key.weight:g}",
            f"since {when}" if key.revoked_at is None else f"revoked {when}",
        )
    Console().print(table)


def set_key(
    key: Named,
    weight: Annotated[float, typer.Option(help="Its share of the time: 2 gets twice as much as 1.")],
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Give a key another share of the time, from the next job that is drawn on."""
    with _keys(data_dir, database) as keys:
        found = keys.weigh(key, weight)
    typer.echo(f"key '{found.name}' has the weight {found.weight:g}")


def revoke(key: Named, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Let a key in no more. What it made stays, for the keys that share it and for admins."""
    with _keys(data_dir, database) as keys:
        typer.echo(f"key '{keys.revoke(key).name}' is revoked")


def rotate(key: Named, data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Give a key a new secret and print it, once; the old one is let in no more."""
    with _keys(data_dir, database) as keys:
        found, secret = keys.rotate(key)
    typer.echo(f"key '{found.name}' has a new secret; keep it, it is not shown again:", err=True)
    typer.echo(secret)


def _units(used: float, quota: int | None) -> str:
    return f"{used:.1f}" if quota is None else f"{used:.1f} of {quota}"


@contextmanager
def _keys(data_dir: DataDir, database: DatabaseUrl, make: bool = False) -> Iterator[KeyStore]:
    from ..registry.places import data_dir as place
    from ..service.access import KeyStore
    from ..service.database import beside_service

    with beside_service(place(data_dir, make), database, make) as engine:
        yield KeyStore(engine)
