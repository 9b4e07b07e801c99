"""`limner models show`: all that one model says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import AsJson, DataDir

if TYPE_CHECKING:
    from ..registry import Model
    from ..registry.manifest import Lineage, SamplerDefaults, TokenDefaults


def told(model: Model) -> dict[str, Any]:
    """A model as JSON for programs: its path, whether it is built in, and its manifest without the words."""
    manifest = model.manifest.model_dump(mode="json", exclude={"vocabulary", "format", "preview"})
    words = model.manifest.vocabulary
    return {
        "path": str(model.path),
        "built_in": model.built_in,
        **manifest,
        "parameters": sum(graph.parameters for graph in model.manifest.graphs.values()),
        "vocabulary_size": len(words) if words is not None else None,
    }


def _defaults(sampler: SamplerDefaults | None, tokens: TokenDefaults | None) -> str:
    if tokens is not None:
        return (
            f"{tokens.steps} rows of tokens, guidance {tokens.guidance_scale:g}, temperature {tokens.temperature:g}, "
            f"the best {tokens.top_k}"
        )
    if sampler is None:
        return "one step"
    told = f"{sampler.steps} steps of {sampler.sampler}, guidance {sampler.guidance_scale:g}"
    return told + _reuse(sampler.feature_reuse)


def _origin(lineage: Lineage) -> dict[str, str]:
    if not lineage.examples:
        return {"from": lineage.data, "made by": f"{lineage.recipe}, {lineage.commit}"}
    return {
        "trained on": f"{lineage.data}, {lineage.examples:,} examples",
        "trained for": f"{lineage.hours:g} h on {lineage.hardware}",
        "recipe": f"{lineage.recipe}, commit {lineage.commit}",
    }


def _reuse(steps: int) -> str:
    return f", deep features every {steps} steps" if steps > 1 else ""


def show(
    name: Annotated[str, typer.Argument(help="A name, name@version, name@alias, or a model directory.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one model: where it lies, its sizes and defaults, its licence, where its weights come from."""
    from ..registry import Registry
    from ..registry import data_dir as place
    from ..registry.choices import Choices

    model = Registry(place(data_dir)).find(name)
    about = told(model)
    if as_json:
        import json

        typer.echo(json.dumps(about, indent=1))
        return
    manifest, lineage = model.manifest, model.manifest.lineage
    sizes = ", ".join(f"{size.width} x {size.height}" for size in manifest.sizes)
    rows = {
        "model": f"{model.name}@{model.version}{' (built in)' if model.built_in else ''}",
        "title": manifest.title,
        "about": manifest.description,
        "path": model.path,
        "family": f"{manifest.family}, {manifest.precision}",
        "sizes": f"{sizes} px",
        "parameters": f"{about['parameters'] / 1e6:.1f} million in {', '.join(manifest.graphs)}",
        "defaults": _defaults(manifest.sampler, manifest.tokens)
        if manifest.draws
        else "none: it judges pictures and draws none",
        "licence": manifest.licence,
        **_origin(lineage),
    }
    measured: list[tuple[str, str]] = []
    if choices := Choices.read(model.path):
        rows["measured"] = f"{choices.prompts} sentences each on {choices.machine}, {choices.created}"
        for row in choices.rows:
            first, last = row.guidance_interval
            quality = [
                *([f"{100 * row.statements:.1f} % of statements hold"] if row.statements is not None else []),
                *([f"{row.psnr:.1f} dB to float32"] if row.psnr is not None else []),
                *([f"{row.memory:,} MB held"] if row.memory is not None else []),
            ]
            parts = [f"{row.seconds:.3f} s a picture", *quality, *(["chosen"] if row.chosen else [])]
            how = f"guided {first:g} to {last:g}{_reuse(row.feature_reuse)}"
            measured.append((f"  {row.precision}", f"{how}: {', '.join(parts)}"))
    for label, value in [*rows.items(), *measured]:
        typer.echo(f"{label:<11} {value}")
