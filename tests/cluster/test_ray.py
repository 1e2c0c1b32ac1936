"""Antiphon on a real Ray cluster of three workers, with the profile tiny, and people who talk to it."""

import asyncio
import os
import signal
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

from realtime.shared_redis import connected
from tests.cluster.ray_cluster import RayCluster, ray_cluster
from tests.cluster.talker import Talker, cut, talkers
from tests.support.speech import recordings, word_errors

RATE = 24_000
TURNS = sorted((turn for turn in recordings().values() if turn.kind == "turn"), key=lambda turn: turn.speech_end_s)[:4]
"""The shortest ones."""
CONVERSATIONS = 12
FEW = 4


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Path:
    file = tmp_path_factory.mktemp("cluster") / "config.toml"
    file.write_text(
        f"""
        profile = "tiny"
        [server]
        max_sessions = {2 * CONVERSATIONS}
        shared_store = "{redis_url}"
        resume_s = 600
        # A slow machine holds the conversations all the same.
        first_packet_s = 0
        send_timeout_s = 60
        [decoder]
        context_tokens = 2048
        threads = 1
        slots = 4
        max_tokens = 12
        temperature = 0
        """
    )
    return file


@pytest.fixture(scope="module")
def apart(config: Path, cluster: RayCluster) -> Path:
    """The settings of the next version, whose agents have neither a recognizer nor a voice of their own."""
    file = config.with_name("apart.toml")
    models = f'backend = "http"\nurl = "http://{cluster.address}/models/v1"\n'
    file.write_text(f"{config.read_text()}\n[encoder]\n{models}[voice]\n{models}")
    return file


@pytest.fixture(scope="module")
def cluster(config: Path) -> Iterator[RayCluster]:
    with ray_cluster(workers=3, cpus=2) as running:
        running.deploy(3, config=config, models=config)
        running.settle(3)
        yield running


async def ask(everybody: list[Talker]) -> None:
    """Everybody says something of their own, one shortly after the other, and is answered."""
    before = [len(talker.done) for talker in everybody]
    for number, talker in enumerate(everybody):
        talker.say(TURNS[number % len(TURNS)].pcm(RATE))
    await asyncio.gather(*(talker.answered(turns + 1) for talker, turns in zip(everybody, before, strict=True)))


async def saved(redis_url: str, items: Set[str]) -> None:
    """Wait until the replicas have saved these items: what was said in the last moment is lost with a replica."""
    async with connected(redis_url) as redis:
        assert redis is not None
        states = ""
        while not all(item in states for item in items):
            keys = [key async for key in redis.scan_iter("antiphon:session:*")]
            states = "".join([str(await redis.hget(key, "state")) for key in keys])


async def test_twelve_conversations_survive_the_death_of_a_worker(cluster: RayCluster, redis_url: str) -> None:
    async with talkers(cluster.address, CONVERSATIONS, set(cluster.processes())) as everybody:
        await ask(everybody)
        said = {talker: dict(talker.items) for talker in everybody}
        await saved(redis_url, {item for items in said.values() for item in items})
        victim = everybody[0].place
        hit = [talker for talker in everybody if talker.place == victim]
        spared = [talker for talker in everybody if talker.place != victim]
        os.kill(cluster.processes()[victim], signal.SIGKILL)
        await asyncio.gather(*(talker.live(2) for talker in hit))
        for talker in hit:
            assert talker.resumed == [True]
            assert talker.place != victim
            assert set(said[talker]) <= set(talker.items)
        await ask([*hit, spared[0]])
        assert cut(spared) == []
        assert all(len(talker.outages_s) == 1 for talker in hit)
    await asyncio.to_thread(cluster.settle, 3)


async def test_a_client_that_comes_back_gets_its_own_replica(cluster: RayCluster) -> None:
    async with talkers(cluster.address, FEW) as everybody, talkers(cluster.address, FEW) as others:
        places = [talker.place for talker in everybody]
        # The replicas compute meanwhile, and answer late whoever asks them how many requests they have.
        asking = asyncio.create_task(ask(others))
        for talker in everybody:
            talker.lose_connection()
            await talker.live(2)
        assert all(talker.resumed == [True] for talker in everybody)
        assert [talker.place for talker in everybody] == places
        await asking
        assert cut(others) == []


async def test_a_smaller_cluster_cuts_no_call(cluster: RayCluster, config: Path) -> None:
    async with talkers(cluster.address, FEW, set(cluster.processes())) as everybody:
        await asyncio.gather(ask(everybody), asyncio.to_thread(cluster.deploy, 2, config=config, models=config))
        await asyncio.to_thread(cluster.wait_for, lambda: cluster.states().count("RUNNING") == 2)
        leaving = [talker for talker in everybody if talker.place not in cluster.processes()]
        await ask(leaving)
        assert cut(everybody) == []
        assert len({talker.place for talker in leaving}) == 1
        assert len(cluster.states()) == 3
    # The last conversation of the replica has ended, and so does it.
    await asyncio.to_thread(cluster.settle, 2)


async def test_a_new_version_cuts_no_call(cluster: RayCluster, config: Path, apart: Path) -> None:
    old = set(cluster.processes())
    async with talkers(cluster.address, FEW) as everybody:
        await asyncio.gather(ask(everybody), asyncio.to_thread(cluster.deploy, len(old), config=apart, models=config))
        await asyncio.to_thread(cluster.wait_for, lambda: len(set(cluster.processes()) - old) == len(old))
        await asyncio.to_thread(cluster.wait_for, lambda: not old & set(cluster.processes()))
        new = set(cluster.processes())
        async with talkers(cluster.address, 1, new) as newcomers:
            await ask([everybody[0], *(talker for talker in newcomers if talker.place in new)])
        assert cut(everybody) == []
        assert {talker.place for talker in everybody} <= old
    await asyncio.to_thread(cluster.settle, len(old))
    assert not old & set(cluster.processes())


async def test_another_deployment_hears_and_speaks_for_the_agents(
    cluster: RayCluster, config: Path, apart: Path
) -> None:
    await asyncio.to_thread(cluster.deploy, 2, config=apart, models=config)  # nothing changes if the test above did so
    await asyncio.to_thread(cluster.settle, 2)
    async with talkers(cluster.address, 2) as everybody:
        await ask(everybody)
        for talker, recording in zip(everybody, TURNS, strict=False):
            assert min(word_errors(recording.text, words) for words in talker.items.values()) <= 0.25
            assert talker.arrived
