"""The page's words: every key in each language, the right language for each reader."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from limner.service.app import PAGES
from limner.service.languages import chosen, words
from limner.service.wire import ALLOWED

ENGLISH = words()["en"]


@pytest.mark.parametrize("language", sorted(words()))
def test_every_key_is_there_with_the_same_values_in_it(language: str) -> None:
    other = words()[language]
    assert other.keys() == ENGLISH.keys()
    for key, sentence in ENGLISH.items():
        assert other[key].strip(), key
        assert sorted(re.findall(r"{\w+}", other[key])) == sorted(re.findall(r"{\w+}", sentence)), key


def test_every_used_key_is_there_and_every_key_is_used() -> None:
    files = [*PAGES.glob("*.js"), PAGES / "index.html"]
    everything = "\n".join(file.read_text("utf-8") for file in files)
    said = set(re.findall(r'\b(?:text|own)\("([\w.-]+)"', everything))
    said |= set(re.findall(r'data-say(?:-\w+)?="([\w.-]+)"', everything))
    plural = {key.rpartition(".")[0] for key in ENGLISH if key.endswith(".other")}
    assert said - plural <= ENGLISH.keys()
    made_up = ("group.", "allowed.", "bench.hint.", "vote.", "language")
    families = (".attngan", ".parti")
    used = {
        key
        for key in ENGLISH
        if key.startswith(made_up) or key.endswith(families) or f'"{key}"' in everything
    }
    assert [key for key in ENGLISH if key not in used and key.rpartition(".")[0] not in said & plural] == []


def test_english_says_what_is_allowed_as_the_service_does() -> None:
    said = {key.partition(".")[2]: words for key, words in ENGLISH.items() if key.startswith("allowed.")}
    assert said and said == {field: ALLOWED[field] for field in said}


class _Said(HTMLParser):
    """Collects what index.html says where a key stands."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []
        self._key: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self._key = own.get("data-say")
        for mark, attribute in (("label", "aria-label"), ("hint", "placeholder"), ("title", "title")):
            if key := own.get(f"data-say-{mark}"):
                self.said.append((key, own[attribute] or ""))

    def handle_data(self, data: str) -> None:
        if self._key is not None:
            self.said.append((self._key, data))
            self._key = None


def test_the_page_says_in_english_what_its_keys_say() -> None:
    page = _Said()
    page.feed((PAGES / "index.html").read_text("utf-8"))
    assert len(page.said) > 80
    assert [(key, text) for key, text in page.said if ENGLISH[key] != text] == []


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"), ("es", "es"), ("es-MX,en;q=0.5", "es"), ("fr, es;q=0.8, en;q=0.9", "en"), ("fr", "en"), ("*", "en"),
        ("ES-es", "es"), ("es;q=0", "en"), ("es;q=nonsense,en", "en"), (";;,,;q", "en"),
    ],
)  # fmt: skip
def test_what_is_accepted_chooses(accepted: str, language: str) -> None:
    assert chosen(accepted, ["en", "es"]) == language


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.5", "pt-BR"), ("pt-br", "pt-BR"), ("pt", "pt-BR"), ("pt-PT", "pt-BR"),
        ("zh-tw", "zh-TW"), ("zh", "zh-CN"), ("pt;q=0.4,en;q=0.5", "en"), ("p", "en"),
    ],
)  # fmt: skip
def test_a_language_may_be_offered_as_a_country_speaks_it(accepted: str, language: str) -> None:
    assert chosen(accepted, ["en", "es", "pt-BR", "zh-CN", "zh-TW"]) == language


def test_the_service_tells_the_words(client: TestClient) -> None:
    spanish = client.get("/pages/language.json", headers={"accept-language": "es-AR"})
    assert spanish.json()["language"] == "es" and spanish.json()["words"]["draw"] == "Dibujar"
    assert spanish.headers["vary"] == "Accept-Language" and spanish.json()["languages"]["en"] == "English"
    named = client.get("/pages/language.json?language=en", headers={"accept-language": "es"})
    assert named.json()["language"] == "en"
