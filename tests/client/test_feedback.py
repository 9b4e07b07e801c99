"""What the clients say of pictures, delete, and send again when an answer is lost."""

from __future__ import annotations

import asyncio

import pytest

from limner.client import AsyncClient, Client, NotThere, RequestRefused

from .conftest import Cutting


def test_pictures_are_judged(url: str) -> None:
    with Client(url) as client:
        one, other = (picture.id for picture in client.draw("a red apple", seed=1, n=2))
        said = client.say(one, vote="up", note="round", caption="an apple")
        assert (said.image, said.vote, said.note, said.caption) == (one, "up", "round", "an apple")
        assert client.say(one, vote="down").id == said.id, "it takes the place of the first"
        better = client.prefer(one, other, note="redder")
        assert (better.image, better.over, better.note) == (one, other, "redder")
        assert [each.id for each in client.feedback()] == [better.id, said.id]
        assert [each.id for each in client.feedback(other)] == [better.id]
        client.take_back(said.id)
        assert [each.id for each in client.feedback()] == [better.id]
        with pytest.raises(NotThere):
            client.take_back(said.id)
        with pytest.raises(RequestRefused) as refused:
            client.say(one)
        assert refused.value.field == "vote"


def test_all_that_was_said_is_listed_over_the_end_of_a_page(url: str) -> None:
    with Client(url) as client:
        pictures = [picture.id for seed in (0, 8, 16, 24) for picture in client.draw("a cat", seed=seed, n=8)]
        for picture in pictures[:26]:
            client.say(picture, vote="up")
        assert [said.image for said in client.feedback()] == pictures[:26][::-1]


def test_what_is_listed_may_be_taken_back_as_it_comes(url: str) -> None:
    with Client(url) as client:
        pictures = [
            picture.id for seed in range(0, 56, 8) for picture in client.draw("a cat", seed=seed, n=8)
        ]
        said = [client.say(picture, vote="up").id for picture in pictures[:50]][::-1]
        seen: list[str] = []
        for one in client.feedback():
            seen.append(one.id)
            if len(seen) == 1:
                client.take_back(said[47])  # as by a sweep: the last of the page that comes next
            if one.id != said[47]:
                client.take_back(one.id)
        assert seen == said and not list(client.feedback())


def test_jobs_may_be_deleted_as_they_come(url: str) -> None:
    async def go() -> None:
        async with AsyncClient(url) as client:
            made = [(await client.draw("a cat", seed=seed))[0].id for seed in range(50)][::-1]
            seen: list[str] = []
            async for job in client.jobs():
                (link,) = job.view.images
                seen.append(link.id)
                if len(seen) == 1:
                    await client.delete_picture(made[47])
                if link.id != made[47]:
                    await client.delete_picture(link.id)
            assert seen == made and not [job async for job in client.jobs()]

    asyncio.run(go())


def test_a_picture_is_deleted(url: str) -> None:
    with Client(url) as client:
        first, second = client.draw("a red apple", seed=1, n=2)
        client.delete_picture(first.id)
        assert [link.id for job in client.jobs() for link in job.view.images] == [second.id]
        for gone in (client.picture, client.delete_picture):
            with pytest.raises(NotThere):
                gone(first.id)


def test_what_is_asked_is_done_once_where_answers_are_lost(cutting: Cutting) -> None:
    with Client(cutting.url) as client:
        client.models()
        cutting.cuts = 2
        job = client.submit("a red apple", n=2)
        assert cutting.cuts == 0
        one, other = (picture.id for picture in job.pictures())
        assert [each.id for each in client.jobs()] == [job.id]
        cutting.cuts = 1
        said = client.say(one, note="round")
        assert [each.id for each in client.feedback()] == [said.id]
        cutting.cuts = 1
        client.take_back(said.id)
        cutting.cuts = 1
        client.delete_picture(other)
        assert cutting.cuts == 0
        assert not list(client.feedback())
        assert [link.id for each in client.jobs() for link in each.view.images] == [one]


def test_the_asynchronous_client_does_the_same(cutting: Cutting) -> None:
    async def go() -> None:
        async with AsyncClient(cutting.url) as client:
            await client.models()
            cutting.cuts = 2
            job = await client.submit("a red apple", n=2)
            assert cutting.cuts == 0
            one, other = (picture.id for picture in await job.pictures())
            assert [each.id async for each in client.jobs()] == [job.id]
            said = await client.say(one, vote="up")
            better = await client.prefer(one, other)
            assert [each.id async for each in client.feedback()] == [better.id, said.id]
            await client.take_back(better.id)
            cutting.cuts = 1
            await client.delete_picture(other)
            assert [each.id async for each in client.feedback(one)] == [said.id]
            with pytest.raises(NotThere):
                await client.picture(other)

    asyncio.run(go())
