"""The stages of the recipe in their order, each from the checkpoint of the one before to its own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import StepAudioModules
from training.data import acoustic, textual
from training.data.acoustic import Question, Speaker, Split
from training.data.traces import trace
from training.evaluation import Score, evaluate
from training.model.checkpoint import is_complete, write_checkpoint
from training.model.sound_table import Hearing
from training.model.trainee import Trainee
from training.processes import agreed, wait, writes
from training.rollouts.transformers_writer import TransformersWriter
from training.rollouts.vllm_server import VllmServer
from training.rollouts.vllm_writer import VllmWriter
from training.rollouts.writer import Writer
from training.stages import distillation, hearing, self_knowledge, supervised, verified_rewards
from training.stages.running import OutOfTime, Stage
from training.stages.supervised import Example, Pace
from training.stages.verified_rewards import RewardPace


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is learned from. The defaults are for a decoder that begins from nothing."""

    hearing_questions: int = 540
    hearing_epochs: float = 8
    questions: int = 90
    """Questions of the cold start. Few: it teaches the form of an answer, and the later stages what is right."""
    epochs: float = 24
    """Epochs of the cold start."""
    distilled: int = 360
    """Questions of each round of distillation."""
    rounds: int = 2
    """Rounds of distillation."""
    judged: int = 540
    """Questions from which those of middle difficulty are chosen for reinforcement learning."""
    reward_steps: int = 40
    at_once: int = 12
    """Questions of one step of reinforcement learning."""
    group: int = 8
    """Answers to one question that are compared with each other."""
    preference_steps: int = 6
    text_questions: int = 30
    tested: int = 405


TINY = Sizes(27, 1, 18, 1, 18, 1, 18, 1, 1, 4, 1, 4, 18)
"""Sizes at which every stage runs once, and nothing is learned."""


@dataclass(frozen=True, slots=True)
class Beginner:
    """The model before its training."""

    begin: Callable[[Sequence[Question]], tuple[StepAudioModules, PreTrainedTokenizerFast]]
    """Makes it. It is given the questions of its first stage."""
    cold_start: Pace
    """Its epochs are those of `Sizes`."""
    dtype: torch.dtype = torch.float32
    """Of the decoder's weights while it learns."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What an ablation changes."""

    format_reward: bool = True
    middle_difficulty: bool = True
    """Whether reinforcement learning is only on questions that are neither too easy nor too hard."""
    hears: bool = True
    """Whether recordings are heard; if not, their transcripts are read."""


ABLATIONS: Mapping[str, Variant] = MappingProxyType(
    {
        "format-reward": Variant(format_reward=False),
        "middle-difficulty": Variant(middle_difficulty=False),
        "sound": Variant(hears=False),
    }
)


@dataclass
class Recipe:
    """One run of the recipe, in a folder; a stage whose checkpoint is there is not run again."""

    folder: Path
    speaker: Speaker
    beginner: Beginner
    sizes: Sizes = field(default_factory=Sizes)
    seed: int = 0
    held_out: Split = "test"
    """Voices, sentences and wordings that are asked after each stage."""
    may_go_on: Callable[[], bool] = lambda: True
    """Asked before every stage and after every step of its training. Of several processes, the first one decides."""
    report: Callable[[str, Mapping[str, object]], None] = lambda stage, figures: None
    """Called with the name of each stage and its figures on held-out questions."""
    vllm: VllmServer | None = None
    """The server that writes answers; None: this process does."""

    def __post_init__(self) -> None:
        self._tests = [
            *acoustic.generate(self.speaker, self.held_out, self.sizes.tested, self.seed),
            *textual.generate(self.held_out, self.sizes.tested // 9, self.seed),
        ]
        self._tests_heard: list[torch.Tensor | None] = []

    def run(self) -> Path | None:
        """Run the stages that are left while time lasts; returns the last checkpoint, None if stages are left."""
        last = self.folder
        for name, stage in self._stages():
            if not self._done(self.folder / name, stage, last):
                return None
            last = self.folder / name
        return last

    def ablate(self, name: str) -> Path | None:
        """Run a variant of one stage from the checkpoint that the stage itself began from; returns its own."""
        variant, folder = ABLATIONS[name], self.folder / f"without-{name}"
        if variant.hears:
            before, stage = self.folder / f"2-distillation-{self.sizes.rounds}", self._reward
        else:
            before, stage = self.folder / "0-hearing", self._cold_start
        return folder if self._done(folder, lambda last, into: stage(last, into, variant), before) else None

    def _done(self, folder: Path, stage: Callable[[Path, Path], None], before: Path) -> bool:
        """Run a stage unless it was run; False if there was no time to run it to its end."""
        if is_complete(folder):
            return True
        if not self._goes_on():
            return False
        try:
            stage(before, folder)
        except OutOfTime:
            return False
        return True

    def _stages(self) -> Sequence[tuple[str, Callable[[Path, Path], None]]]:
        return (
            ("0-hearing", self._hear),
            ("1-cold-start", self._cold_start),
            *((f"2-distillation-{number}", self._distil) for number in range(1, self.sizes.rounds + 1)),
            ("3-verified-rewards", self._reward),
            ("4-self-knowledge", self._know),
        )

    def _hear(self, _: Path, folder: Path) -> None:
        questions = self._acoustic(self.sizes.hearing_questions, stage=0)
        modules, tokenizer = self.beginner.begin(questions)
        listener = hearing.train(modules, questions, self._stage(folder), epochs=self.sizes.hearing_epochs)
        tests = [question for question in self._tests if question.pcm is not None]
        heard = hearing.accuracy(listener, Hearing(modules), tests)
        self._finish(folder, modules, tokenizer, {"classifiers": heard})

    def _cold_start(self, before: Path, folder: Path, variant: Variant = Variant()) -> None:
        run, _ = self._trainee(before)
        questions = [*self._acoustic(self.sizes.questions, stage=1), *self._textual(stage=1)]
        sounds = run.hear(questions) if variant.hears else [None] * len(questions)
        random = np.random.default_rng(self.seed)
        examples = [
            Example(read, run.prompts.reply(trace(question, random)))
            for question, read in zip(questions, run.prompts.all(questions, sounds), strict=True)
        ]
        run.decoder = supervised.train(
            run.decoder,
            run.tokenizer,
            examples,
            self._stage(folder),
            replace(self.beginner.cold_start, epochs=self.sizes.epochs),
        )
        self._conclude(run, folder, variant)

    def _distil(self, before: Path, folder: Path) -> None:
        run, writer = self._trainee(before)
        stage = 10 * int(folder.name.rpartition("-")[2])
        questions = [*self._acoustic(self.sizes.distilled, stage), *self._textual(stage)]
        examples = distillation.grounded_examples(writer, run.prompts, questions, run.hear(questions))
        if examples:
            pace = self.beginner.cold_start
            run.decoder = supervised.train(
                run.decoder, run.tokenizer, examples, self._stage(folder), replace(pace, epochs=3, rate=0.4 * pace.rate)
            )
        figures = {"kept": len(examples), "sampled": distillation.SAMPLES * len(questions)}
        self._conclude(run, folder, Variant(), figures)

    def _reward(self, before: Path, folder: Path, variant: Variant = Variant()) -> None:
        run, writer = self._trainee(before)
        questions = self._acoustic(self.sizes.judged, stage=3)
        sounds = run.hear(questions)
        middling = verified_rewards.middling(writer, run.prompts, questions, sounds)
        every = list(range(len(questions)))
        chosen = middling if middling and variant.middle_difficulty else every[: len(middling) or None]
        run.decoder = verified_rewards.train(
            run.decoder,
            run.tokenizer,
            writer,
            run.prompts,
            [questions[index] for index in chosen],
            [sounds[index] for index in chosen],
            self._stage(folder),
            RewardPace(
                self.sizes.reward_steps,
                min(self.sizes.at_once, len(chosen)),
                self.sizes.group,
                for_reasoning=variant.format_reward,
            ),
        )
        figures = {"of_middle_difficulty": len(middling), "judged": len(questions)}
        self._conclude(run, folder, variant, figures)

    def _know(self, before: Path, folder: Path) -> None:
        run, _ = self._trainee(before)
        run.decoder, figures = self_knowledge.train(
            run.decoder, run.tokenizer, self._stage(folder), steps=self.sizes.preference_steps
        )
        self._conclude(run, folder, Variant(), figures)

    def _trainee(self, folder: Path) -> tuple[Trainee, Writer]:
        """The model of a checkpoint, and what writes with it: a server that is missing is noticed before learning."""
        torch.manual_seed(self.seed)  # a stage that is taken up again samples the same
        run = Trainee.read(folder, self.beginner.dtype)
        return run, self._writer(run)

    def _writer(self, run: Trainee) -> Writer:
        if self.vllm is None:
            return TransformersWriter(run.decoder, run.prompts.end)
        return VllmWriter(self.vllm, run)

    def _stage(self, folder: Path) -> Stage:
        return Stage(folder, self.seed, self._goes_on)

    def _goes_on(self) -> bool:
        return agreed(self.may_go_on())

    def _conclude(
        self, run: Trainee, folder: Path, variant: Variant, figures: Mapping[str, object] | None = None
    ) -> None:
        sounds: list[list[int] | None] = [None] * len(self._tests)
        if variant.hears:
            self._tests_heard = self._tests_heard or run.heard(self._tests)
            sounds = run.keep(self._tests_heard)
        score = evaluate(self._writer(run), run.prompts, self._tests, run.prompts.all(self._tests, sounds))
        self._finish(folder, run.modules(), run.tokenizer, {**(figures or {}), "held_out": score.summary()}, score)

    def _finish(
        self,
        folder: Path,
        modules: StepAudioModules,
        tokenizer: PreTrainedTokenizerFast,
        figures: Mapping[str, object],
        score: Score | None = None,
    ) -> None:
        if writes():
            self._write(folder, modules, tokenizer, figures, score)
        wait()

    def _write(
        self,
        folder: Path,
        modules: StepAudioModules,
        tokenizer: PreTrainedTokenizerFast,
        figures: Mapping[str, object],
        score: Score | None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        if score is not None:
            (folder / "answers.jsonl").write_text("".join(f"{json.dumps(one.as_data())}\n" for one in score.answers))
        write_checkpoint(modules, tokenizer, folder)
        self.report(folder.name, figures)

    def _acoustic(self, number: int, stage: int) -> list[Question]:
        return acoustic.generate(self.speaker, "train", number, 1000 * self.seed + stage)

    def _textual(self, stage: int) -> list[Question]:
        return textual.generate("train", self.sizes.text_questions, 1000 * self.seed + stage)
