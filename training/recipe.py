"""The stages of the recipe in their order, each from the checkpoint of the one before to its own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import StepAudioModules
from training.data import acoustic, textual
from training.data.acoustic import Question, Speaker
from training.data.traces import trace
from training.evaluation import evaluate
from training.model.checkpoint import is_complete, write_checkpoint
from training.model.prompts import Prompts
from training.model.sound_table import Hearing
from training.model.trainee import Trainee
from training.stages import distillation, hearing, self_knowledge, supervised, verified_rewards
from training.stages.supervised import Example, Pace


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is learned from."""

    hearing_questions: int = 420
    hearing_epochs: float = 8
    questions: int = 350
    """Of the cold start, of which a quarter is for each round of distillation and for reinforcement learning."""
    text_questions: int = 30
    tested: int = 84
    epochs: float = 10
    """Of the cold start: after 2 of them nothing was answered right, in the format that is to be learned."""
    rounds: int = 1
    """Of distillation."""
    reward_steps: int = 24
    group: int = 8
    """Answers to one question that are compared with each other."""
    preference_steps: int = 6


TINY = Sizes(28, 1, 14, 4, 14, 1, 1, 1, 4, 1)
"""Sizes at which every stage runs once, and nothing is learned."""


@dataclass
class Recipe:
    """One run of the recipe, in a folder; a stage whose checkpoint is there is not run again."""

    folder: Path
    speaker: Speaker
    begin: Callable[[], tuple[StepAudioModules, PreTrainedTokenizerFast]]
    """Makes the model before its training."""
    sizes: Sizes = field(default_factory=Sizes)
    seed: int = 0
    report: Callable[[str, Mapping[str, object]], None] = lambda stage, figures: None
    """Called with the name of each stage and its figures on held-out questions."""

    def __post_init__(self) -> None:
        self._tests = [
            *acoustic.generate(self.speaker, "test", self.sizes.tested, self.seed),
            *textual.generate("test", self.sizes.tested // 7, self.seed),
        ]

    def run(self, may_begin: Callable[[], bool] = lambda: True) -> Path | None:
        """Run the stages that are left while `may_begin`; returns the last checkpoint, None if stages are left."""
        last = self.folder
        for name, stage in self._stages():
            folder = self.folder / name
            if not is_complete(folder):
                if not may_begin():
                    return None
                stage(last, folder)
            last = folder
        return last

    def _stages(self) -> Sequence[tuple[str, Callable[[Path, Path], None]]]:
        return (
            ("0-hearing", self._hear),
            ("1-cold-start", self._cold_start),
            *((f"2-distillation-{number}", self._distil) for number in range(1, self.sizes.rounds + 1)),
            ("3-verified-rewards", self._reward),
            ("4-self-knowledge", self._know),
        )

    def _hear(self, _: Path, folder: Path) -> None:
        modules, tokenizer = self.begin()
        questions = self._acoustic(self.sizes.hearing_questions, stage=0)
        listener = hearing.train(modules, questions, folder, epochs=self.sizes.hearing_epochs, seed=self.seed)
        tests = [question for question in self._tests if question.pcm is not None]
        heard = hearing.accuracy(listener, Hearing(modules), tests)
        read = evaluate(modules.decoder, Prompts(tokenizer), tests, [None] * len(tests)).summary()
        self._finish(folder, modules, tokenizer, {"classifiers": heard, "text_with_transcript": read})

    def _cold_start(self, before: Path, folder: Path) -> None:
        run = Trainee.read(before)
        questions = [*self._acoustic(self.sizes.questions, stage=1), *self._textual(stage=1)]
        random = np.random.default_rng(self.seed)
        examples = [
            Example(read, run.prompts.reply(trace(question, random)))
            for question, read in zip(questions, run.prompts.all(questions, run.hear(questions)), strict=True)
        ]
        run.decoder = supervised.train(run.decoder, run.tokenizer, examples, folder, Pace(self.sizes.epochs), self.seed)
        self._conclude(run, folder)

    def _distil(self, before: Path, folder: Path) -> None:
        run = Trainee.read(before)
        questions = [*self._acoustic(self.sizes.questions // 4, stage=2), *self._textual(stage=2)]
        examples = distillation.grounded_examples(run.decoder, run.prompts, questions, run.hear(questions))
        if examples:
            run.decoder = supervised.train(run.decoder, run.tokenizer, examples, folder, Pace(2, 2e-4), self.seed)
        self._conclude(run, folder, {"kept": len(examples), "sampled": distillation.SAMPLES * len(questions)})

    def _reward(self, before: Path, folder: Path) -> None:
        run = Trainee.read(before)
        questions = self._acoustic(self.sizes.questions // 4, stage=3)
        sounds = run.hear(questions)
        middling = verified_rewards.middling(run.decoder, run.prompts, questions, sounds)
        chosen = middling or list(range(len(questions)))
        run.decoder = verified_rewards.train(
            run.decoder,
            run.tokenizer,
            run.prompts,
            [questions[index] for index in chosen],
            [sounds[index] for index in chosen],
            folder,
            steps=self.sizes.reward_steps,
            group=self.sizes.group,
            seed=self.seed,
        )
        self._conclude(run, folder, {"of_middle_difficulty": len(middling), "judged": len(questions)})

    def _know(self, before: Path, folder: Path) -> None:
        run = Trainee.read(before)
        run.decoder = self_knowledge.train(
            run.decoder, run.tokenizer, folder, steps=self.sizes.preference_steps, seed=self.seed
        )
        self._conclude(run, folder)

    def _conclude(self, run: Trainee, folder: Path, figures: Mapping[str, object] | None = None) -> None:
        score = evaluate(run.decoder, run.prompts, self._tests, run.hear(self._tests)).summary()
        self._finish(folder, run.modules(), run.tokenizer, {**(figures or {}), "held_out": score})

    def _finish(
        self, folder: Path, modules: StepAudioModules, tokenizer: PreTrainedTokenizerFast, figures: Mapping[str, object]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        write_checkpoint(modules, tokenizer, folder)
        self.report(folder.name, figures)

    def _acoustic(self, number: int, stage: int) -> list[Question]:
        return acoustic.generate(self.speaker, "train", number, 1000 * self.seed + stage)

    def _textual(self, stage: int) -> list[Question]:
        return textual.generate("train", self.sizes.text_questions, 1000 * self.seed + stage)
