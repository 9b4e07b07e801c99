"""Draw the pictures of the documentation again: `.venv-test/bin/python docs/make_pictures.py`.

The world needs nothing; galleries, the denoising strip and the page are drawn by the built-in models, the
page photographed in Debian's Chromium. The tuned creatures are drawn where docs/tuning.md was followed: by the model in
runs/creatures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import limner
from limner.registry import Registry
from limner.storybook.render import render
from limner.storybook.worlds import world as world_of

OUT = Path(__file__).parent / "pictures"
SENTENCES = (
    "a red apple on a wooden table",
    "two people on the mountain",
    "a red car parked on a street",
    "a torch",
    "a blue robot in the desert",
    "a black cat in the snow",
    "a yellow umbrella",
    "a purple house in a meadow",
)
MONSTERS = (
    "a round red creature with two horns and bat wings",
    "a tall blue monster with one eye",
    "a green four-legged creature with a pointed tail",
    "a purple serpent with feathered wings",
    "a small orange drop-shaped monster with three eyes",
    "a black pocket monster",
    "a yellow creature with white spots",
    "a pink serpent-like creature with two eyes",
)
BIRDS = (
    "the bird has a yellow crown and a black eyering that is round",
    "this bird has a red crown and a white belly",
    "a plump bird with a yellow breast and black wings",
    "this bird has blue wings with white wingbars",
    "a bird on the ground with brown wings and orange legs",
    "the bird has a red throat and a grey back",
    "a long-legged bird with a black tail",
    "this bird has an orange bill that is long",
)
TUNED = Path("runs") / "creatures" / "model"
PAGE_SENTENCE = "a red apple on a wooden table"


def world() -> None:
    """Scenes as the world draws them."""
    tiles = [np.asarray(render(55, index, 192).image) for index in range(24)]
    Image.fromarray(np.concatenate([np.concatenate(tiles[k : k + 8], 1) for k in (0, 8, 16)])).save(
        OUT / "world.png", optimize=True
    )


def creatures() -> None:
    """Pocket monsters as their world draws them."""
    of = world_of("creatures")
    tiles = [np.asarray(of.example(7, index, 160).image) for index in range(16)]
    Image.fromarray(np.concatenate([np.concatenate(tiles[k : k + 8], 1) for k in (0, 8)])).save(
        OUT / "creatures.png", optimize=True
    )


def birds() -> None:
    """Birds as their world draws them."""
    of = world_of("birds")
    tiles = [np.asarray(of.example(7, index, 160).image) for index in range(16)]
    Image.fromarray(np.concatenate([np.concatenate(tiles[k : k + 8], 1) for k in (0, 8)])).save(
        OUT / "birds.png", optimize=True
    )


def galleries() -> None:
    """Sentences drawn by each built-in model that draws, each with the first two seeds: nothing is picked."""
    for name, sentences, file, side in (
        ("storybook", SENTENCES, "gallery.png", 192),
        ("birds", BIRDS, "attngan.png", 128),
        ("storybook-parti", SENTENCES, "parti.png", 128),
    ):
        with limner.load(name) as model:
            rows = [
                [model.draw(text, seed=seed).image.resize((side, side)) for text in sentences]
                for seed in (1, 2)
            ]
        sheet = Image.new("RGB", (side * len(sentences), 2 * side))
        for y, row in enumerate(rows):
            for x, picture in enumerate(row):
                sheet.paste(picture, (side * x, side * y))
        sheet.save(OUT / file, optimize=True)


def strip() -> None:
    """One picture forming step by step."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "house.png"
        command = [sys.executable, "-c", "from limner.cli import main; main()", "draw", SENTENCES[7]]
        subprocess.run([*command, "-o", str(out), "--seed", "1", "--steps", "12", "--strip"], check=True)
        drawn = next(file for file in Path(folder).iterdir() if file != out)
        Image.open(drawn).convert("RGB").save(OUT / "strip.png", optimize=True)


def from_a_picture() -> None:
    """A drawn apple, and what docs/pictures.md does with it: the first try of each."""
    apple, snow = SENTENCES[0], "a red apple in the snow"
    with limner.load("storybook") as model:
        first = model.draw(apple, seed=7)
        varied = model.draw(apple, seed=7, variation_strength=0.5, variation_seed=1, count=2)
        assert isinstance(varied, list)
        made = [
            first,
            model.draw(snow, image=first.image, strength=0.5, seed=1),
            model.draw(snow, image=first.image, keep=(0.25, 0.4, 0.75, 1), seed=1),
            model.draw(apple, image=first.image, outward=0.6, seed=1),
            *varied,
        ]
    row = np.concatenate([np.asarray(drawn.image.resize((192, 192))) for drawn in made], 1)
    Image.fromarray(row).save(OUT / "from-a-picture.png", optimize=True)


def words() -> None:
    """Which word drew what."""
    with limner.load() as model:
        model.draw("a red apple on a wooden table", seed=7, attention=True).heat_sheet().save(
            OUT / "words.png", optimize=True
        )


def layout() -> None:
    """The sentences of the documentation above channels of their latents that say what stands where."""
    import torch
    from diffusers import StableDiffusionPipeline

    model = Registry(OUT).find("storybook")
    pipeline = StableDiffusionPipeline.from_pretrained(model.path)
    scale = model.manifest.sampler.guidance_scale
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(1) for _ in SENTENCES]
    latents = pipeline(
        list(SENTENCES),
        num_inference_steps=20,
        guidance_scale=scale,
        generator=generators,
        output_type="latent",
    ).images
    with torch.no_grad():
        pictures = ((pipeline.vae.decode(latents).sample.clamp(-1, 1) + 1) * 127.5).byte()
    known = model.manifest.layout
    assert known is not None
    mean, std = (torch.tensor(each)[:, None, None] for each in (known.mean, known.std))
    further = latents[:, -len(known.mean) :] * std + mean
    # share, x, y and one of a code; then colours, where the share is not next to nothing
    shown = [each[:, None].expand(-1, 3, -1, -1) for each in further[:, :4].unbind(1)]
    shown.append(torch.where(further[:, :1] > -0.5, further[:, -3:], -torch.ones(3)[:, None, None]))
    rows = [pictures.permute(0, 2, 3, 1).numpy()]
    for each in shown:
        large = ((each.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
        rows.append(large.repeat(8, 1).repeat(8, 2))
    sheet = np.concatenate([np.concatenate(list(row), 1) for row in rows])
    Image.fromarray(sheet).save(OUT / "layout.png", optimize=True)


def tuned() -> None:
    """Monsters by the built-in model, and by the one that was tuned on them, where that is: the first tries."""
    if not TUNED.is_dir():
        return
    rows = []
    for name in ("storybook", f"./{TUNED}"):
        with limner.load(name) as model:
            drawn = [model.draw(text, seed=1).image.resize((160, 160)) for text in MONSTERS]
        rows.append(np.concatenate([np.asarray(picture) for picture in drawn], 1))
    Image.fromarray(np.concatenate(rows)).save(OUT / "tuned.png", optimize=True)


def page() -> None:
    """The page after a picture, on a desktop and on a phone."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder:
        serve = [sys.executable, "-c", "from limner.cli import main; main()", "serve", "--port", "8499"]
        service = subprocess.Popen([*serve, "--data-dir", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout is not None
            service.stdout.readline()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", chromium_sandbox=False
                )
                for name, width, height in (("page", 1280, 800), ("phone", 390, 844)):
                    tab = browser.new_page(viewport={"width": width, "height": height})
                    tab.goto("http://127.0.0.1:8499/")
                    tab.get_by_role("textbox").first.fill(PAGE_SENTENCE)
                    tab.keyboard.press("Enter")
                    tab.get_by_text("Download").first.wait_for(timeout=60_000)
                    tab.wait_for_timeout(800)
                    tab.screenshot(path=OUT / f"{name}.png")
                browser.close()
        finally:
            service.terminate()
            service.wait(30)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for make in (world, creatures, birds, galleries, strip, from_a_picture, layout, words, tuned, page):
        make()
