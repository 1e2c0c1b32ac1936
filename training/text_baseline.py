"""What a text model answers to acoustic questions from a perfect transcript: `python -m training.text_baseline`.

Its answers are read in three ways, so that none of its misses is one of form: strictly, as the trained model's are;
leniently, by the choice that it names first; and by which of the possible answers it holds for the likeliest.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from pipeline.weights.store import ModelStore
from training.data import acoustic
from training.data.acoustic import Question
from training.data.spoken import KeptSpeaker, kokoro
from training.data.traces import sentence
from training.evaluation import interval
from training.reasoning.answers import first_named, is_right

_MOST_TOKENS = 40


def main(
    spoken: Annotated[Path, typer.Argument(help="Where spoken sentences are kept.")],
    count: Annotated[int, typer.Option(help="Questions.")] = 270,
    seed: Annotated[int, typer.Option(help="Of the questions: those of a run with this seed.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Ask SmolLM2-135M-Instruct the held-out questions in its own chat format."""
    torch.set_num_threads(threads)
    file = ModelStore().resolve("smollm2-135m-instruct")
    model = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    questions = acoustic.generate(KeptSpeaker(kokoro(), spoken), "test", count, seed)
    Console().print_json(data=asked(model, tokenizer, questions))


@torch.inference_mode()
def asked(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, questions: Sequence[Question]
) -> dict[str, object]:
    """Share of right answers, and between what it is with 95 % confidence, by each way of reading them."""
    strict, lenient, likeliest = list[bool](), list[bool](), list[bool]()
    for question in questions:
        read = _prompt(tokenizer, question)
        made = model.generate(read, max_new_tokens=_MOST_TOKENS, do_sample=False, pad_token_id=tokenizer.eos_token_id)  # type: ignore[operator]
        text = str(tokenizer.decode(made[0, read.shape[1] :], skip_special_tokens=True))
        strict.append(is_right(text, question.answer, question.choices))
        lenient.append(first_named(text, question.choices) == question.answer)
        scores = {choice: _log_probability(model, tokenizer, read, question, choice) for choice in question.choices}
        likeliest.append(max(scores, key=lambda choice: scores[choice]) == question.answer)
    found = {"strict": strict, "first named": lenient, "likeliest": likeliest}
    return {
        "questions": len(questions),
        "chance": round(sum(question.chance for question in questions) / len(questions), 3),
        **{
            name: {"right": round(sum(right) / len(right), 3), "between": interval(right)}
            for name, right in found.items()
        },
    }


def _prompt(tokenizer: PreTrainedTokenizerFast, question: Question) -> torch.Tensor:
    content = f'Recording: "{question.transcript}"\n{question.asked}'.strip()
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    return torch.tensor([tokenizer.encode(str(rendered), add_special_tokens=False)])


def _log_probability(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, read: torch.Tensor, question: Question, choice: str
) -> float:
    """Of the sentence that answers `question` with `choice`."""
    written = torch.tensor([tokenizer.encode(sentence(question.kind, choice), add_special_tokens=False)])
    logits = model(torch.cat((read, written), 1)).logits[:, read.shape[1] - 1 : -1]
    return float(logits.log_softmax(-1).gather(2, written[..., None]).sum())


if __name__ == "__main__":
    typer.run(main)
