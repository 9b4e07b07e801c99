"""`limner models list`: which models are here."""

from __future__ import annotations

import typer

from .options import AsJson, DataDir


def list_models(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the built-in models and the user's own."""
    from ..registry import Registry
    from ..registry import data_dir as place
    from .models_show import told

    models = Registry(place(data_dir)).models()
    if as_json:
        import json

        typer.echo(json.dumps([told(model) for model in models], indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not models:
        typer.echo("no models here; train one with `limner train RECIPE`")
        return
    table = Table("model", "version", "family", "sizes", "about")
    for model in models:
        sizes = ", ".join(f"{size.width}x{size.height}" for size in model.manifest.sizes)
        about = Text(model.manifest.title + (" (built in)" if model.built_in else ""))
        table.add_row(model.name, model.version, model.manifest.family, sizes, about)
    Console().print(table)
