"""A Pipecat agent that uses Antiphon as its realtime model, with a tool and barge-in, at this machine's sound card.

    antiphon serve
    pip install "pipecat-ai[local,openai]"
    python examples/pipecat_agent.py

`local` compiles against PortAudio (Debian: apt install portaudio19-dev). Use headphones, or another of Pipecat's
transports: the rest of the pipeline stays as it is.
"""

import asyncio
import os
from datetime import datetime

from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregator,
    UserTurnMessageAddedMessage,
)
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.local.audio import LocalAudioTransport, LocalAudioTransportParams
from pipecat.workers.runner import WorkerRunner

URL = os.environ.get("ANTIPHON_URL", "ws://localhost:8000/v1/realtime")
KEY = os.environ.get("ANTIPHON_KEY", "none")
RATE = 24_000
"""Hz in both directions, as Antiphon takes and sends it."""


async def get_time(params: FunctionCallParams) -> None:
    """The local time."""
    await params.result_callback(f"{datetime.now():%H:%M}")


async def main() -> None:
    sound_card = LocalAudioTransport(LocalAudioTransportParams(audio_in_enabled=True, audio_out_enabled=True))
    turn_taking = events.AudioInput(
        transcription=events.InputAudioTranscription(), turn_detection=events.SemanticTurnDetection()
    )
    model = OpenAIRealtimeLLMService(
        api_key=KEY,
        base_url=URL,
        settings=OpenAIRealtimeLLMService.Settings(
            system_instruction="Answer in one or two short sentences.",
            session_properties=events.SessionProperties(audio=events.AudioConfiguration(input=turn_taking)),
        ),
    )
    user, assistant = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": "Say hello."}], [get_time]))

    @user.event_handler("on_user_turn_message_added")
    async def heard(_: LLMUserAggregator, message: UserTurnMessageAddedMessage) -> None:
        print(f"You:   {message.content}", flush=True)

    @assistant.event_handler("on_assistant_turn_stopped")
    async def said(_: LLMAssistantAggregator, message: AssistantTurnStoppedMessage) -> None:
        print(f"Agent: {message.content}{' (interrupted)' if message.interrupted else ''}", flush=True)

    worker = PipelineWorker(
        Pipeline([sound_card.input(), user, model, sound_card.output(), assistant]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
    )
    await worker.queue_frame(LLMRunFrame())  # the agent speaks first
    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
