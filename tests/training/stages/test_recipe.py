"""Every stage of the recipe on a model and data so small that nothing is learned, and its checkpoint in the agent."""

import json
from pathlib import Path

import pytest

from audio.pcm import INPUT_RATE
from pipeline.decoders.decoder import Close, Open, Sampling, Text, Unit
from pipeline.decoders.torch_models import audio_native
from tests.support.speech import recordings
from tests.training.stages.tiny_model import STAGES, begin
from tests.training.voices import RecordedSpeaker
from training import evaluate_folder
from training.recipe import TINY, Beginner, Recipe
from training.stages.supervised import Pace

pytestmark = [
    pytest.mark.filterwarnings("ignore:You are using 'rollout_func'"),  # pinned for that reason
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of the trainers' own packages
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    reports: list[str] = []

    def recipe() -> Recipe:
        return Recipe(
            folder,
            RecordedSpeaker(),
            Beginner(begin, Pace(1)),
            TINY,
            may_go_on=lambda: next(answers, True),
            report=lambda stage, figures: reports.append(stage),
        )

    answers = iter((True, False))
    assert recipe().run() is None
    assert reports == [], "the first stage was stopped after its first step"
    assert recipe().run() == folder / STAGES[-1]
    assert reports == STAGES, "no stage ran twice"
    return folder


def test_every_stage_leaves_its_figures(trained: Path) -> None:
    for stage in STAGES[1:]:
        held_out = json.loads((trained / stage / "figures.json").read_text())["held_out"]
        assert held_out["questions"] == TINY.tested + TINY.tested // 9
        assert 0.3 < held_out["chance"] < 0.6


def test_a_published_set_is_asked(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = recordings()["turn_02"].path
    row = {"audio_path": str(wav), "question": "How?", "choice_a": "fast", "choice_b": "slowly", "answer_gt": "fast"}
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mmsu.jsonl").write_text(f"{json.dumps(row)}\n" * 3)
    answers = tmp_path / "answers.jsonl"
    evaluate_folder.main(trained / STAGES[-1], tmp_path / "set", count=2, answers=answers)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["questions"], printed["chance"]) == (2, 0.5)
    assert len(answers.read_text().splitlines()) == 2


async def test_the_agent_loads_it_and_it_hears(trained: Path) -> None:
    decoder = await audio_native.load(trained / STAGES[-1], device="cpu", capacity=1000, threads=1)
    try:
        assert decoder.thinks
        assert decoder.audio_encoder is not None
        stream = decoder.audio_encoder.open()
        stream.push(recordings()["turn_02"].pcm(INPUT_RATE))
        context = decoder.open("")
        asked: list[Unit] = [Open("user"), Text("Was I speaking fast or slowly?"), Close("user"), Open("assistant")]
        await context.append([Open("user"), *stream.finish().units, Close("user"), *asked])
        assert [part async for part in context.generate(Sampling(0, 1, 8))]
        await context.close()
    finally:
        await decoder.close()
