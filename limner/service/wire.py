"""What goes over the wire: requests, which are strict (no coercion, no unknown fields), and how answers are made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..answers import (
    AttentionView,
    DefaultsView,
    ImageLink,
    JobView,
    ModelView,
    PictureLink,
    Priority,
    Settings,
    SizeView,
)
from ..engine.request import (
    MAX_PROMPT,
    MAX_SEED,
    MAX_STEPS,
    DrawRequest,
    FeatureReuse,
    GuidanceScale,
    Keep,
    NegativePrompt,
    Outward,
    Prompt,
    Seed,
    Share,
    Steps,
    Strength,
    Temperature,
    TopK,
)
from ..registry.manifest import Manifest
from ..registry.models import Model
from .jobs import Image, Job, Stored

MAX_PICTURES = MAX_BEST_OF = 8
MAX_CANDIDATES = 32  # of all pictures of a job
MAX_GUIDANCE = 30
MAX_TEMPERATURE, MAX_TOP_K = 10, 65_536
SMALL_PARAMETERS = 100_000_000

ALLOWED = {
    "prompt": f"1 to {MAX_PROMPT} characters, not all blank, no control characters",
    "negative_prompt": f"up to {MAX_PROMPT} characters, no control characters",
    "seed": f"a whole number from 0 to {MAX_SEED}",
    "steps": f"a whole number from 1 to {MAX_STEPS}",
    "guidance_scale": f"a number from 1 to {MAX_GUIDANCE}",
    "guidance_interval": "two rising numbers from 0 to 1, such as [0, 0.8], of a model that denoises",
    "n": f"a whole number from 1 to {MAX_PICTURES}",
    "priority": "interactive or bulk",
    "width": "a width of the model, in pixels",
    "height": "a height of the model, in pixels",
    "image": "the id of a picture, drawn here or uploaded with POST /v1/images",
    "mask": "the id of a picture of the same size, white where to redraw; together with image",
    "keep": "left, top, right, bottom from 0 to 1, left below right, top below bottom, not all; with image, no mask",
    "outward": "a number from 0.25 to 0.9; with image, without mask and keep",
    "strength": "a number above 0, at most 1; together with image",
    "variation_seed": f"a whole number from 0 to {MAX_SEED}",
    "variation_strength": "a number above 0, at most 1",
    "derived_from": "the id of a picture, drawn here or uploaded with POST /v1/images",
    "feature_reuse": "a whole number from 1 to 10",
    "decoder": "full, or tiny where the model has one",
    "attention": "true or false",
    "temperature": f"a number above 0, at most {MAX_TEMPERATURE}, of a model that draws token by token",
    "top_k": f"a whole number from 1 to {MAX_TOP_K}, of a model that draws token by token",
    "best_of": f"a whole number from 1 to {MAX_BEST_OF}, at most {MAX_CANDIDATES} drawings together, of a model that a "
    "matcher judges",
    "matcher": "a matcher of this service; together with best_of",
    "locale": "a language tag, such as en-GB",
    "readings": "senses by word, as a job's `senses` lists them",
    "model": "a model that GET /v1/models lists",
}

_JOB_REQUEST: dict[str, Any] = {
    "prompt": "a red apple on a wooden table",
    "seed": 7,
    "n": 1,
}


ModelReference = Annotated[
    str, Field(max_length=140, pattern=r"^[a-z0-9][a-z0-9._-]*(@[a-z0-9][a-z0-9._-]*)?$")
]


PictureId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def whole(value: object) -> object:
    """1 for 1.0, which JSON means by it and some languages write; everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


GuidanceInterval = Annotated[tuple[Share, Share], Field(strict=False)]
Locale = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$")]
BestOf = Annotated[int, Field(ge=1, le=MAX_BEST_OF)]
Readings = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=60)], Annotated[str, Field(min_length=1, max_length=60)]
    ],
    Field(max_length=20),
]


class JobRequest(BaseModel):
    """Pictures to draw. What is left out is the model's own choice; a seed left out is drawn at random."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"examples": [_JOB_REQUEST]},
    )

    prompt: Prompt
    model: ModelReference | None = Field(None, description="Left out: the model that is served.")
    seed: Seed | None = Field(None, description="Of the first picture; each further one has the next seed.")
    steps: Steps | None = None
    guidance_scale: GuidanceScale | None = None
    guidance_interval: GuidanceInterval | None = Field(
        None,
        description="The part of the steps that is guided: a step without is faster.",
        examples=[[0, 0.8]],
    )
    negative_prompt: NegativePrompt = ""
    n: Annotated[int, Field(ge=1, le=MAX_PICTURES, description="How many pictures.")] = 1
    width: Annotated[int, Field(ge=1, le=65536)] | None = None
    height: Annotated[int, Field(ge=1, le=65536)] | None = None
    image: PictureId | None = Field(None, description="A picture to begin from, drawn here or uploaded.")
    mask: PictureId | None = Field(None, description="As large, white where to redraw; the rest is kept.")
    keep: Keep | None = Field(
        None,
        description="Redraw all of `image` but this part: left, top, right, bottom as shares of its sides.",
        examples=[[0.25, 0.4, 0.75, 1]],
    )
    outward: Outward | None = Field(
        None, description="Make `image` smaller, this share of its sides, and draw around it.", examples=[0.6]
    )
    strength: Strength | None = Field(
        None, description="How much may change; 0.6, with mask, keep or outward 1."
    )
    variation_seed: Seed | None = Field(
        None, description="Of the first variation; each further one has the next."
    )
    variation_strength: Strength | None = Field(
        None, description="Draw near the picture of `seed`: how far from it; 0.3 with a variation_seed."
    )
    derived_from: PictureId | None = Field(
        None, description="The picture whose settings this varies: noted, and draws nothing else."
    )
    feature_reuse: FeatureReuse | None = Field(
        None, description="Of so many steps only the first computes the whole denoiser: faster, less exact."
    )
    decoder: Literal["full", "tiny"] | None = Field(None, description="What makes the picture at the end.")
    attention: bool = Field(False, description="Also tell which word drew what.")
    temperature: Temperature | None = Field(None, description="Of a model of tokens: how freely to choose.")
    top_k: TopK | None = Field(None, description="Of a model of tokens: choose among so many of the best.")
    best_of: BestOf = Field(
        1,
        description="Draw so many for each picture, and keep the one that a matcher finds nearest to the prompt: "
        "costs as many; of each picture `seed` is the one that draws it again alone.",
    )
    matcher: ModelReference | None = Field(
        None, description="What chooses of best_of; left out: matcher-<world> of the model's world."
    )
    priority: Priority = Field("interactive", description="bulk gives way to what people wait for.")
    anew: bool = Field(False, description="Draw it, though the same picture was drawn before.")
    locale: Locale | None = Field(
        None,
        description="Of who asks: a word of several senses is read as in that country; Accept-Language's best.",
    )
    readings: Readings = Field(
        default_factory=dict,
        description="The senses of words that have several, where not the country's is meant.",
    )

    @field_validator(
        "seed",
        "steps",
        "n",
        "width",
        "height",
        "variation_seed",
        "feature_reuse",
        "top_k",
        "best_of",
        mode="before",
    )
    @classmethod
    def _whole(cls, value: object) -> object:
        return whole(value)

    def draw_request(self, model: str) -> DrawRequest:
        """The first picture of the job, not yet resolved; `model` where the request names none."""
        in_part = self.keep is not None or self.outward is not None
        return DrawRequest(
            **{
                **self.model_dump(exclude={"n", "derived_from", "priority", "anew", "locale", "readings"}),
                "model": self.model or model,
                "strength": 1.0 if in_part and self.strength is None else self.strength,
            }
        )


def job_view(job: Job, step: int = 0) -> JobView:
    """A job as it is shown; `step` is its progress, which only memory has."""
    request = job.request
    steps = request.steps_taken or 0
    return JobView(
        id=job.id,
        state=job.state,
        queue_position=job.position,
        step=steps if job.state == "succeeded" else step,
        steps=steps,
        request=_settings(job),
        senses={} if job.said is None else {word: list(senses) for word, senses in job.said.senses.items()},
        images=[image_link(image) for image in job.images],
        withheld=list(job.withheld),
        error=job.error,
        attempts=job.attempts,
        priority=job.priority,
        created_at=_time(job.created_at),
        started_at=None if job.started_at is None else _time(job.started_at),
        finished_at=None if job.finished_at is None else _time(job.finished_at),
    )


def _settings(job: Job) -> Settings:
    """What was asked for: the prompt as it was typed, and how it was read."""
    drawn = job.request.model_dump(include=set(Settings.model_fields) - {"n", "locale", "readings"})
    drawn |= {"n": job.n, "derived_from": job.derived_from}
    said = job.said
    if said is None:
        return Settings(**drawn)
    return Settings(**drawn | {"prompt": said.prompt}, locale=said.locale, readings=said.readings)


def image_link(image: Image) -> ImageLink:
    """A picture as it is shown."""
    beside = image.beside
    return ImageLink(
        id=image.id,
        url=image_url(image.id),
        seed=image.seed,
        width=image.width,
        height=image.height,
        index=image.index,
        sizes=[_link(one) for one in beside.sizes],
        attention=AttentionView(words=list(beside.words), maps=[_link(one) for one in beside.maps])
        if beside.maps
        else None,
    )


def image_url(image: str) -> str:
    """Where a picture is."""
    return f"/v1/images/{image}"


def _link(stored: Stored) -> PictureLink:
    return PictureLink(url=image_url(stored.id), width=stored.width, height=stored.height)


def model_view(model: Model, judged: bool = False) -> ModelView:
    """A model as it is shown; small below SMALL_PARAMETERS weights. `judged`: a matcher may choose its best."""
    manifest = model.manifest
    has_card = any((model.path / name).is_file() for name in ("card.json", "card.html"))
    return ModelView(
        name=manifest.name,
        version=manifest.version,
        title=manifest.title,
        description=manifest.description,
        family=manifest.family,
        sizes=[SizeView(width=size.width, height=size.height) for size in manifest.sizes],
        defaults=_defaults(manifest),
        limits=_limits(manifest) | ({"best_of": (1, MAX_BEST_OF)} if judged else {}),
        vocabulary=None if manifest.vocabulary is None else list(manifest.vocabulary),
        edits="vae_encoder" in manifest.graphs,
        small=sum(graph.parameters for graph in manifest.graphs.values()) < SMALL_PARAMETERS,
        card=f"/v1/models/{manifest.name}/{manifest.version}/card" if has_card else None,
    )


def _defaults(manifest: Manifest) -> DefaultsView:
    if manifest.sampler is not None:
        return DefaultsView(**manifest.sampler.model_dump(include=set(DefaultsView.model_fields)))
    if manifest.tokens is not None:
        return DefaultsView(**manifest.tokens.model_dump(), sampler=None)
    return DefaultsView(steps=1, guidance_scale=None, sampler=None)


def _limits(manifest: Manifest) -> dict[str, tuple[int, int]]:
    always = {"prompt": (1, MAX_PROMPT), "seed": (0, MAX_SEED), "n": (1, MAX_PICTURES)}
    if manifest.sampler is None and manifest.tokens is None:
        return always | {"steps": (1, 1)}
    always |= {"guidance_scale": (1, MAX_GUIDANCE), "negative_prompt": (0, MAX_PROMPT)}
    if manifest.tokens is not None:
        rows = manifest.tokens.steps
        return always | {"steps": (rows, rows), "temperature": (0, MAX_TEMPERATURE), "top_k": (1, MAX_TOP_K)}
    return always | {"steps": (1, MAX_STEPS)}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
