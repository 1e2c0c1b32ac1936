"""Reinforcement learning whose answers a real vLLM writes, with a random model of one layer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cluster import vllm as servers
from tests.cluster.ports import free_port
from tests.cluster.rewards import STEPS, learn, odd_is_right, questions, trainee
from tests.cluster.vllm import Vllm
from tests.training.stages.launching import FSDP, launched
from tests.training.stages.tiny_model import begin
from tests.training.voices import RecordedSpeaker
from training.model.checkpoint import write_decoder
from training.model.trainee import Trainee
from training.recipe import TINY, Beginner, Recipe
from training.rollouts.transformers_writer import TransformersWriter
from training.rollouts.vllm_server import VllmError, VllmServer
from training.rollouts.vllm_writer import VllmWriter
from training.rollouts.writer import likeliest
from training.stages import verified_rewards
from training.stages.supervised import Pace

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are using 'rollout_func'"),  # pinned for that reason
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of the trainers' own packages
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

FLAGS = "--enable-prompt-embeds --enable-lora"
ENVIRONMENT = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "true"}
NEAR, FAR = 0.001, 0.02
"""Nats by which two programs may differ about a token, and by which other weights or another sound do differ."""


def likelihoods(run: Trainee, read: list[int], ids: list[int]) -> list[float]:
    """The natural logarithm of each token's probability, as transformers computes it."""
    with torch.no_grad():
        logits = run.decoder(torch.tensor([read + ids])).logits[0, len(read) - 1 : -1]
    return [float(row[token]) for row, token in zip(logits.log_softmax(-1), ids, strict=True)]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    run, folder = trainee(), tmp_path_factory.mktemp("served")
    write_decoder(run.decoder, run.tokenizer, folder)
    with servers.running(folder, FLAGS, ENVIRONMENT) as server:
        yield server


@pytest.fixture
def server(vllm: Vllm, tmp_path: Path) -> Iterator[VllmServer]:
    with VllmServer(vllm.url, tmp_path / "vllm") as client:
        yield client


def test_it_writes_what_the_trainer_would_and_hears(server: VllmServer) -> None:
    torch.manual_seed(0)
    run, asked = trainee(), questions()
    writer = VllmWriter(server, run)
    read = run.prompts.all(asked, run.hear(asked))
    groups = writer.write(read, 3, 1.0)
    for prompt, group in zip(read, groups, strict=True):
        for one in group:
            assert one.log_probabilities == pytest.approx(likelihoods(run, prompt, one.ids), abs=NEAR)
            assert len(one.ids) == 48 or one.ids[-1] == run.prompts.end
        assert len({tuple(one.ids) for one in group}) == 3, "each is a sample of its own"
    heard, other = read[:2]
    replaced = likelihoods(run, other, groups[0][0].ids)
    assert groups[0][0].log_probabilities != pytest.approx(replaced, abs=FAR), "the recording is what makes the answer"
    assert likeliest(writer, [heard]) == likeliest(TransformersWriter(run.decoder, run.prompts.end), [heard])


def logged(stage: Path) -> list[dict[str, Any]]:
    """What TRL logged in each step."""
    curve: list[dict[str, Any]] = json.loads((stage / "curve.json").read_text())
    return [step for step in curve if "reward" in step]


def test_it_has_the_weights_of_every_step(server: VllmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_rewards, "judged", odd_is_right)
    learn(server, tmp_path / "fresh")
    steps = logged(tmp_path / "fresh")
    assert len(steps) == STEPS
    assert max(step["sampling/sampling_logp_difference/max"] for step in steps) < NEAR
    assert [step["sampling/importance_sampling_ratio/mean"] for step in steps] == pytest.approx([1] * STEPS, abs=NEAR)
    assert [path.name for path in server.adapters.iterdir()] == [f"step-{STEPS - 1}"], "adapters before are removed"

    taken = VllmWriter.take
    monkeypatch.setattr(
        VllmWriter, "take", lambda self, weights, config, name: name == "step-0" and taken(self, weights, config, name)
    )
    learn(server, tmp_path / "stale")
    _, second, *stale = logged(tmp_path / "stale")
    assert second["sampling/sampling_logp_difference/max"] < NEAR, "the rate of the first step is 0"
    assert min(step["sampling/sampling_logp_difference/max"] for step in stale) > FAR, "it would be noticed"


def test_it_has_them_when_two_processes_share_the_weights(vllm: Vllm, tmp_path: Path) -> None:
    """By FSDP, with the launch file of the full size."""
    launched(FSDP, "tests.cluster.rewards", vllm.url, str(tmp_path))
    steps = logged(tmp_path / "stage")
    assert len(steps) == STEPS
    assert max(step["sampling/sampling_logp_difference/max"] for step in steps) < NEAR


def test_the_whole_recipe_runs_through_it(server: VllmServer, tmp_path: Path) -> None:
    last = Recipe(tmp_path, RecordedSpeaker(), Beginner(begin, Pace(1)), TINY, vllm=server).run()
    assert last is not None
    for stage in ("1-cold-start", "2-distillation-1", "3-verified-rewards", "4-self-knowledge"):
        figures = json.loads((tmp_path / stage / "figures.json").read_text())
        assert figures["held_out"]["questions"] == TINY.tested + TINY.tested // 9
    run, asked = Trainee.read(last), questions()[:1]
    (read,) = run.prompts.all(asked, run.hear(asked))
    vectors = run.embedding.twin()(torch.tensor([read]))[0]
    (one,) = server.complete(vectors, 0, samples=1, temperature=1.0, end=run.prompts.end, adapter=None)
    assert one.log_probabilities == pytest.approx(likelihoods(run, read, one.ids), abs=NEAR), "it has the last weights"


def test_a_server_that_is_not_there_is_an_error_before_anything_is_learned(tmp_path: Path) -> None:
    with VllmServer(f"http://127.0.0.1:{free_port()}", tmp_path / "vllm") as server:
        recipe = Recipe(tmp_path, RecordedSpeaker(), Beginner(begin, Pace(1)), TINY, vllm=server)
        with pytest.raises(VllmError, match=rf"no vLLM server .*vllm serve {server.decoder} --enable-prompt-embeds"):
            recipe.run()
    assert not (tmp_path / "1-cold-start").exists()
    assert (server.decoder / "model.safetensors").exists(), "it can be started with this folder"


def test_a_server_that_was_started_otherwise_is_an_error_until_it_is_gone(tmp_path: Path) -> None:
    run = trainee()
    write_decoder(run.decoder, run.tokenizer, tmp_path / "served")
    with (
        servers.running(tmp_path / "served", "--enable-lora", {"VLLM_SERVER_DEV_MODE": "1"}) as other,
        VllmServer(other.url, tmp_path / "vllm") as server,
    ):
        with pytest.raises(VllmError, match="without VLLM_ALLOW_RUNTIME_LORA_UPDATING=true, --enable-prompt-embeds"):
            VllmWriter(server, run)
        vectors = run.embedding(torch.tensor([[1, 2]]))[0].detach()
        with pytest.raises(VllmError, match=r"refuses /v1/completions.*--enable-prompt-embeds"):
            server.complete(vectors, 0, samples=1, temperature=1.0, end=run.prompts.end, adapter=None)
        other.kill()
        with pytest.raises(VllmError, match="no vLLM server answers"):
            server.complete(vectors, 0, samples=1, temperature=1.0, end=run.prompts.end, adapter=None)
