"""A check of schemathesis: what is well formed may be refused only for a reason of this list."""

from __future__ import annotations

from typing import Any

import schemathesis

WORLDLY = frozenset(
    {
        "model",  # not one that is here
        "width",  # not a size of the model
        "height",
        "image",  # no picture of that id
        "mask",
        "derived_from",
        "image_id",  # of a picture that a job needs, or that came with another
        "over",  # no other picture of the same prompt
        "vote",  # nothing said at all
        "readings",  # no sense of the word
        "keep",  # of no picture, or with nothing left to redraw
        "outward",
        "strength",
        "steps",  # not of a model that draws in one step, or row by row
        "guidance_scale",
        "guidance_interval",  # that does not rise
        "negative_prompt",
        "feature_reuse",
        "decoder",
        "temperature",
        "top_k",
        "variation_strength",
        "variation_seed",
        "attention",
        "best_of",  # too many drawings with n, or of a model that no matcher judges
        "matcher",  # not one that is here
        "size",  # too many pixels in all, or not of that form
        "partial_images",
        "response_format",
        "output_compression",
        "background",
        "output_format",
        "input_fidelity",
        "key",  # of a service that has none
    }
)


@schemathesis.check
def well_formed_is_refused_by_name_only(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Fails where a positive case is answered 400 or 422 for a field that the schema could have ruled out."""
    if (
        response.status_code not in (400, 422)
        or case.meta is None
        or not case.meta.generation.mode.is_positive
    ):
        return
    if case.operation.label == "POST /v1/images":
        return
    document = response.json()
    in_openai_form = "error" in document
    named = (
        [document["error"]["param"]] if in_openai_form else [error["field"] for error in document["errors"]]
    )
    fields = set(named)
    assert fields and fields <= WORLDLY, f"refused for {fields or 'no field at all'}: {document}"
