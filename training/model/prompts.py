"""What the model reads and writes in training, token for token as the agent gives it."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from pipeline.decoders.torch_models.step_audio import AUDIO_TAGS, END, TEMPLATE
from training.data.acoustic import Question
from training.reasoning.answers import WrittenAnswer

_PATCH = "<audio_patch>"


class Prompts:
    """Turns questions and answers into token ids. A recording is a message of its own, and its question the next."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._template = TEMPLATE.read_text(encoding="utf-8")
        self.end = int(tokenizer.convert_tokens_to_ids(END))  # type: ignore[arg-type]

    def prompt(self, question: Question, sound: Sequence[int] | None) -> list[int]:
        """The prompt with the recording of these ids. None: with its transcript, as a model has it that can't hear."""
        messages = [{"role": "user", "content": question.asked}] if question.asked else []
        if question.pcm is not None:
            opens, closes = AUDIO_TAGS
            recording = f"{opens}{_PATCH}{closes}" if sound is not None else f"Recording: {question.transcript}"
            messages.insert(0, {"role": "user", "content": recording})
        before, mark, after = self._rendered(messages).partition(_PATCH)
        return self.ids(before) + ([*(sound or ())] if mark else []) + self.ids(after)

    def all(self, questions: Sequence[Question], sounds: Sequence[Sequence[int] | None]) -> list[list[int]]:
        """The prompt of each question."""
        return [self.prompt(question, sound) for question, sound in zip(questions, sounds, strict=True)]

    def prompt_text(self, asked: str) -> str:
        """The text of the prompt for a question without a recording."""
        return self._rendered([{"role": "user", "content": asked}])

    def reply(self, answer: WrittenAnswer) -> list[int]:
        """The ids of an answer, with the token that ends it."""
        return [*self.ids(answer.text), self.end]

    def text(self, ids: Sequence[int]) -> str:
        """The text of generated ids, without the token that ends it and what follows."""
        ids = list(ids)
        ids = ids[: ids.index(self.end)] if self.end in ids else ids
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def _rendered(self, messages: list[dict[str, str]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages, chat_template=self._template, add_generation_prompt=True, tokenize=False
            )
        )

    def ids(self, text: str) -> list[int]:
        """The ids of a text, control tokens included."""
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=False) if text else []
        return found
