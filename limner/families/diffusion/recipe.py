"""What a recipe of the diffusion family says: training one from pictures, and tuning one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...data.captioned import Item
from ...errors import InvalidInput
from ...registry.models import Model
from ...training.recipe import (
    About,
    Count,
    Data,
    Name,
    Optimisation,
    Rate,
    Recipe,
    Share,
    Table,
    Weight,
    must,
)
from .. import layout
from .tuning_parent import check_tunable, sides

Channels = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)]


class Autoencoder(Optimisation):
    """The picture autoencoder (diffusers' AutoencoderKL) and its loss.

    The reconstruction loss is L1 on pixels plus `edge_weight` times L1 on their differences; pixels of
    subjects weigh 1 + `mask_weight` where the set has masks; `kl_weight` multiplies the mean KL divergence,
    rising from zero over the first half of the steps, so that noise does not drown what is not yet learned.
    Two further terms make latents that a denoiser learns quickly: with `scale_weight`, latents halved in size
    must give the picture halved in size (Skorokhodov et al., 2025); with `subject_weight`, a small head must
    read off each latent which kind of subject it shows, where the set has masks and names them.
    Until `whole_from` of the steps it learns on squares of `crop` pixels, half of them around a subject, then
    on whole pictures, as many fewer a step as they are larger. With no `steps` it stays as it is in the model that
    training starts from.
    """

    can_checkpoint: ClassVar[bool] = True

    steps: Annotated[int, Field(ge=0, le=10_000_000)]
    channels: Channels = (16, 32, 64, 128)
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    latent_channels: Annotated[int, Field(ge=1, le=64)] = 8
    norm_groups: Annotated[int, Field(ge=1, le=64)] = 8
    edge_weight: Weight = 1.0
    mask_weight: Weight = 2.0
    kl_weight: Weight = 1e-3
    scale_weight: Weight = 0.0
    subject_weight: Weight = 0.0
    crop: Annotated[int, Field(ge=16, le=1024)] = 64
    whole_from: Share = 0.75

    @property
    def factor(self) -> int:
        """Pixels of a picture to one latent, along each side."""
        return int(2 ** (len(self.channels) - 1))

    @model_validator(mode="after")
    def _channels_and_crop_fit(self) -> Self:
        _fits_groups(self.channels, self.norm_groups)
        must(
            self.crop % self.factor == 0,
            "crop",
            f"must be a multiple of {self.factor} pixels, which {len(self.channels)} channels make, not {self.crop}",
        )
        must(
            not self.scale_weight or self.crop % (2 * self.factor) == 0,
            "crop",
            f"must be a multiple of {2 * self.factor} pixels where scale_weight halves it, not {self.crop}",
        )
        return self


class Decoder(Optimisation):
    """How the decoder learns to read the layout channels, where the denoiser has them (`denoiser.layout`).

    It learns after the denoiser, on what that draws of `pictures` pictures of the set (0: of all), evenly chosen;
    without `steps` it stays as it is. It sees squares of `crop` pixels until `whole_from` of the steps, then whole
    pictures, with the loss of the autoencoder and, with `square_weight`, the squared error: of marks that are small,
    or in few pictures, L1 is content with the median, which has none.
    """

    can_checkpoint: ClassVar[bool] = True

    steps: Annotated[int, Field(ge=0, le=10_000_000)]
    pictures: Annotated[int, Field(ge=0)] = 2048
    edge_weight: Weight = 1.0
    mask_weight: Weight = 4.0
    square_weight: Weight = 0.0
    crop: Annotated[int, Field(ge=16, le=1024)] = 64
    whole_from: Share = 0.8


class Denoiser(Optimisation):
    """The denoiser (diffusers' UNet2DConditionModel) and its text encoder (transformers' CLIPTextModel).

    `heads` is the number of attention heads; levels from number `attention_from` on (0: the largest) attend to
    the text and to themselves. The loss is the squared error of the velocity,
    weighted over timesteps by min-SNR with `snr_gamma` (0: unweighted) and over latent cells by
    1 + `mask_weight` where a subject is; `caption_dropout` of the captions are replaced by the empty one.
    For the first `simple_until` of the steps only pictures with one subject are shown, where the set says
    how many there are; after it `mixed_share` of the pictures are taken from those alone that show several kinds.
    With `pooled_text` the text as a whole also reaches every block, through the timestep's embedding; with
    `subject_weight` a head on the UNet's last but one level must tell where which kind of subject
    will be, where the set has masks and names them. With `layout` the latents get further channels that say what stands
    where, which the set's masks and what it tells of their subjects say (`families/layout.py`). With no
    `steps` both networks stay as they are in the model that training starts from.
    """

    can_checkpoint: ClassVar[bool] = True

    steps: Annotated[int, Field(ge=0, le=10_000_000)]
    channels: Channels = (64, 128, 192)
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    norm_groups: Annotated[int, Field(ge=1, le=64)] = 16
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    attention_from: Annotated[int, Field(ge=0, le=7)] = 0
    text_layers: Annotated[int, Field(ge=1, le=24)] = 3
    text_width: Annotated[int, Field(ge=16, le=2048)] = 192
    text_heads: Annotated[int, Field(ge=1, le=32)] = 6
    text_length: Annotated[int, Field(ge=8, le=256)] = 48
    vocabulary_size: Annotated[int, Field(ge=600, le=65_536)] = 1024
    snr_gamma: Weight = 5.0
    mask_weight: Weight = 3.0
    caption_dropout: Share = 0.1
    simple_until: Share = 0.15
    mixed_share: Share = 0.0
    pooled_text: bool = False
    subject_weight: Weight = 0.0
    layout: bool = False

    @model_validator(mode="after")
    def _channels_and_heads_fit(self) -> Self:
        _fits_groups(self.channels, self.norm_groups)
        must(
            self.attention_from < len(self.channels),
            "attention_from",
            f"must be below {len(self.channels)}, the number of channels, not {self.attention_from}",
        )
        for width in self.channels:
            must(
                width % self.heads == 0, "heads", f"must divide every channels, and {self.heads} not {width}"
            )
        must(
            self.text_width % self.text_heads == 0,
            "text_heads",
            f"must divide text_width ({self.text_width}), and {self.text_heads} does not",
        )
        return self


def _fits_groups(channels: tuple[int, ...], groups: int) -> None:
    for width in channels:
        must(width % groups == 0, "channels", f"must be multiples of norm_groups ({groups}), not {width}")


class Training(Recipe):
    """A model trained from pictures: the data, the autoencoder, the denoiser, the model that comes out."""

    trainer: ClassVar[str] = "limner.families.diffusion.training"
    stages: ClassVar[Mapping[str, str]] = {
        "autoencoder": "autoencoder",
        "denoiser": "tokenizer",
        "decoder": "decoder",
    }

    autoencoder: Autoencoder
    denoiser: Denoiser
    decoder: Decoder = Decoder(steps=4000)
    model: About

    def settled(self, parent: Model | None, folder: Path | None) -> Self:
        """As `Recipe.settled`; InvalidInput where networks stay as they are in a model that is not named."""
        for name, table in (("autoencoder", self.autoencoder), ("denoiser", self.denoiser)):
            if parent is None and not table.steps:
                raise InvalidInput(
                    f"{name}.steps is 0, which keeps that of another model: say which with --init MODEL",
                    field=f"{name}.steps",
                )
        return super().settled(parent, folder)

    def check_pictures(self, items: Sequence[Item]) -> None:
        """InvalidInput where the denoiser has the layout and no picture has a mask."""
        if self.denoiser.layout and not any(item.mask for item in items):
            raise InvalidInput(layout.NEEDS_MASKS, "denoiser.layout")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        levels = max(len(self.denoiser.channels), 2 if self.autoencoder.scale_weight else 1)
        step = self.autoencoder.factor * 2 ** (levels - 1)
        must(
            self.data.size % step == 0,
            "data.size",
            f"must be a multiple of {step} with {len(self.autoencoder.channels)} channels of the autoencoder "
            f"and {len(self.denoiser.channels)} of the denoiser, not {self.data.size}",
        )
        must(
            not self.denoiser.layout or self.decoder.crop % self.autoencoder.factor == 0,
            "decoder.crop",
            f"must be a multiple of {self.autoencoder.factor} pixels, not {self.decoder.crop}",
        )
        must(
            self.data.folder is not None or self.data.storybook_count > 0,
            "data.storybook_count",
            "must be above 0 where no data.folder is named",
        )
        return self


class TuningData(Data):
    """The captioned set that a model is tuned on.

    `size` is as in `Data`, or 0 for the model's own. With `buckets`, pictures keep roughly their shape: each is cut to
    the one of several sizes of about size x size pixels that it fits best, and a batch is of one size; without, all are
    cut to the middle square. With `flip` half of the pictures are shown mirrored. No pictures of Storybook are drawn
    unless `storybook_count` says how many.
    """

    storybook_count: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    size: Annotated[int, Field(ge=0, le=2048, multiple_of=8)] = 0
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    buckets: bool = True
    flip: bool = False


class Tuning(Optimisation):
    """How a model that is there is tuned.

    `method` is full (all weights of the denoiser) or lora: two matrices of `rank` beside each projection of its
    attention, with `layers` all beside every matrix and kernel, laid on with `alpha` / `rank` (0: alpha is the rank).
    With `text_encoder` the text encoder is tuned in the same way, else it is frozen; with `new_words` it first gets at
    most so many tokens for words of the captions that it would read in pieces (`new_words.py`). The loss is the squared
    error of what the model predicts, weighted over timesteps by min-SNR with `snr_gamma` (0: unweighted) and over
    latent cells by 1 + `mask_weight` where a subject is; `caption_dropout` of the captions are replaced by the empty
    one, which guidance needs.

    `rehearsal` is the share of all rows in which the model rehearses what it could draw before, so that it goes on
    drawing it (`rehearsal.py`): `rehearsed` sentences, the lines of the file `rehearsal_prompts`, or those of
    Storybook where the model knows its words. `mask_weight` counts for them where their layout channels say that
    a subject is.
    """

    can_checkpoint: ClassVar[bool] = True

    learning_rate: Rate = 1e-5
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    method: Literal["full", "lora"] = "full"
    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    layers: Literal["attention", "all"] = "attention"
    alpha: Annotated[int, Field(ge=0, le=4096)] = 0
    text_encoder: bool = False
    new_words: Annotated[int, Field(ge=0, le=16_384)] = 0
    snr_gamma: Weight = 0.0
    mask_weight: Weight = 0.0
    caption_dropout: Share = 0.1
    rehearsal: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rehearsed: Count = 512
    rehearsal_prompts: Path | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        must(
            self.method == "full" or self.optimizer == "adamw",
            "optimizer",
            "must be adamw with method lora: adafactor goes by a weight's size, and a LoRA begins at zero",
        )
        must(
            not self.new_words or self.text_encoder,
            "new_words",
            "are learned by the text encoder; set text_encoder = true, or leave them out",
        )
        return self


class TunedAbout(Table):
    """What the tuned model says of itself, what is not said following from the model that it was; and how far it is
    from that.

    Its weights lie `strength` of the way from those that it had to those that it learned, a LoRA's likewise, and the
    decoder's `decoder_strength` (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"): what it could before
    comes back sooner than what it has learned goes. All of this may change when a run is resumed, with nothing learned
    again.
    """

    name: Name | None = None
    version: Name = "1"
    title: str | None = None
    description: str | None = None
    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    decoder_strength: Annotated[float, Field(gt=0, le=1)] = 1.0


class TuningRecipe(Recipe):
    """A model that is there, tuned on further pictures; its encoder stays as it is, and so does its decoder, unless
    it reads the layout and `decoder` has steps."""

    trainer: ClassVar[str] = "limner.families.diffusion.tuning"
    stages: ClassVar[Mapping[str, str]] = {"tuning": "tuning", "decoder": "decoder"}

    data: TuningData = TuningData()
    tuning: Tuning
    decoder: Decoder = Decoder(steps=0)
    model: TunedAbout = TunedAbout()

    def settled(self, parent: Model | None, folder: Path | None) -> Self:
        """As `Recipe.settled`; InvalidInput without a model that can be tuned so, or without pictures."""
        recipe = super().settled(parent, folder)
        if parent is None:
            raise InvalidInput("tuning needs a model to start from; name one with --init MODEL")
        if recipe.data.folder is None and not recipe.data.storybook_count:
            raise InvalidInput(
                "tuning needs pictures; name their folder with --data DIR", field="data.folder"
            )
        check_tunable(parent)
        if not recipe.data.size:
            first = parent.manifest.sizes[0]
            size = min(first.width, first.height)
            recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"size": size})})
        recipe._check_sizes(parent)
        return recipe

    def files(self) -> tuple[Path, ...]:
        """The sentences that are rehearsed."""
        return () if self.tuning.rehearsal_prompts is None else (self.tuning.rehearsal_prompts,)

    def _check_sizes(self, parent: Model) -> None:
        factor, step = sides(parent.path)
        step = step if self.data.buckets else factor
        if self.data.size % step:
            raise InvalidInput(
                f"data.size must be a multiple of {step} pixels for this model, not {self.data.size}",
                field="data.size",
            )
        if not self.decoder.steps:
            return
        known, crop = parent.manifest.layout, self.decoder.crop
        if known is None or len(known.mean) < layout.CHANNELS:
            raise InvalidInput(
                f"decoder.steps: the decoder of model '{parent.name}' reads no layout; leave the table out",
                field="decoder.steps",
            )
        if crop % factor:
            raise InvalidInput(
                f"decoder.crop must be a multiple of {factor} pixels for model '{parent.name}', not {crop}; "
                f"set crop = {max(factor, crop - crop % factor)} in [decoder]",
                field="decoder.crop",
            )


def kind_of(tables: Mapping[str, Any]) -> type[Recipe]:
    """Which recipe these tables are."""
    return TuningRecipe if "tuning" in tables else Training
