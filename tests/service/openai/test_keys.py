"""Keys, as the official client sends them."""

from __future__ import annotations

import httpx
import openai
import pytest

from .conftest import Server
from .test_generations import PROMPT


@pytest.fixture
def secrets(server: Server) -> list[str]:
    """The secrets of two keys with owners of their own."""
    return [server.service.keys.create(name)[1] for name in ("one", "other")]


def test_a_key_draws_for_its_owner(server: Server, secrets: list[str]) -> None:
    one, other = (openai.OpenAI(base_url=server.url, api_key=secret, max_retries=0) for secret in secrets)
    answer = one.images.generate(prompt=PROMPT, response_format="url", size="32x32")
    assert answer.data is not None and answer.data[0].url is not None
    job, url = answer.data[0].model_dump()["limner"]["job"], answer.data[0].url

    def status(place: str, secret: str) -> int:
        return httpx.get(place, headers={"Authorization": f"Bearer {secret}"}).status_code

    assert [status(url, secret) for secret in secrets] == [200, 404]
    assert [status(f"{server.url}/jobs/{job}", secret) for secret in secrets] == [200, 404]
    assert [model.id for model in other.models.list()] == ["storybook"]


def test_a_key_that_nobody_knows(server: Server, secrets: list[str]) -> None:
    with server.client() as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            client.images.generate(prompt=PROMPT)
        assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_a_key_that_may_only_read(server: Server) -> None:
    _, secret = server.service.keys.create("reader", ["read"])
    with (
        openai.OpenAI(base_url=server.url, api_key=secret, max_retries=0) as client,
        pytest.raises(openai.PermissionDeniedError, match="scope draw"),
    ):
        client.images.generate(prompt=PROMPT)
