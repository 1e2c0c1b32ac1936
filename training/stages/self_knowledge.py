"""Preference pairs against "I can only read text", by TRL's DPO: a model that hears should know that it does."""

from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from pipeline.decoders.torch_models.step_audio import END
from training.model.prompts import Prompts
from training.reasoning.answers import WrittenAnswer
from training.stages.running import common, merged, on_gpu, resume
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


def train(
    decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path, *, steps: int, seed: int
) -> PreTrainedModel:
    """Train adapters to prefer `HEARS` to `READS`, merge them, and return the decoder."""
    prompts = Prompts(tokenizer)
    data = Dataset.from_dict(
        {
            "prompt": [prompts.prompt_text(asked) for asked in ASKED],
            "chosen": [HEARS.text + END] * len(ASKED),
            "rejected": [READS.text + END] * len(ASKED),
        }
    )
    arguments = DPOConfig(
        **common(folder, seed),
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
    resume(trainer, folder)
    return merged(trainer)
