"""Preference pairs against "I can only read text", by TRL's DPO: a model that hears should know that it does."""

import torch
from datasets import Dataset
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from pipeline.decoders.torch_models.step_audio import END
from training.gathering import emptied
from training.model.prompts import Prompts
from training.reasoning.answers import WrittenAnswer
from training.stages.running import Stage, merged, on_gpu
from training.stages.supervised import adapters

ASKED = (
    "Can you hear me?",
    "Do you hear sound, or do you only read text?",
    "Are you able to listen to my voice?",
    "Can you tell how I sound?",
    "Do you understand audio?",
)
HEARS = WrittenAnswer(
    "The voice comes to me as sound, with its pitch, pace and level.", "Yes, I hear the sound of your voice.", True
)
READS = WrittenAnswer("I am a text model and cannot access audio.", "No, I can only read text.", True)


TESTED = ("Is my voice something that you hear?", "Can you hear how I talk?", "Does the sound of my voice reach you?")
"""Asked in none of the training."""


def train(
    decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, stage: Stage, *, steps: int
) -> tuple[PreTrainedModel, dict[str, object]]:
    """Train adapters to prefer `HEARS` to `READS`, and merge them. Raises `OutOfTime`.

    Returns the decoder, and before and after the `preference`.
    """
    prompts, empty = Prompts(tokenizer), emptied(decoder)
    before = preference(decoder, prompts)
    data = Dataset.from_dict(
        {
            "prompt": [prompts.prompt_text(asked) for asked in ASKED],
            "chosen": [HEARS.text + END] * len(ASKED),
            "rejected": [READS.text + END] * len(ASKED),
        }
    )
    arguments = DPOConfig(
        **stage.common(),
        **on_gpu(),
        max_steps=steps,
        per_device_train_batch_size=len(ASKED),
        learning_rate=1e-4,
        gradient_checkpointing=False,
        logging_steps=1,
    )
    trainer = DPOTrainer(
        model=decoder, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=adapters()
    )
    stage.run(trainer)
    trained = merged(trainer, empty)
    return trained, {"preference_before": before, "preference_after": preference(trained, prompts)}


@torch.no_grad()
def preference(decoder: PreTrainedModel, prompts: Prompts) -> list[float]:
    """Natural logarithm of how much likelier a token of `HEARS` is than one of `READS`, for each of `TESTED`."""

    def per_token(asked: str, answer: WrittenAnswer) -> float:
        read, written = prompts.ids(prompts.prompt_text(asked)), prompts.reply(answer)
        ids = torch.tensor([read + written], device=decoder.device)
        logits = decoder(ids).logits[:, len(read) - 1 : -1]
        chosen = logits.float().log_softmax(-1).gather(2, ids[:, len(read) :, None])
        return float(chosen.mean())

    nn.Module.eval(decoder)
    return [round(per_token(asked, HEARS) - per_token(asked, READS), 2) for asked in TESTED]
