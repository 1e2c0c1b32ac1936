"""Pipecat: a pipeline around `OpenAIRealtimeLLMService`, as in its example for realtime models.

A pipeline has no frame for what a person types or for a button that cancels: both go by the service's client events.
"""

import asyncio
import sys

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from walk import RATE, Client, Seen, main


class Watch(FrameProcessor):
    """Notes what passes at one place of the pipeline."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self._answering = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        seen = self._seen
        match frame:
            case LLMFullResponseStartFrame():
                self._answering = True
            # An interruption overtakes what is in the pipeline: a frame of the answer that it cut may come after it.
            case TTSAudioRawFrame() if self._answering:
                seen.sound(frame.audio)
            case TTSTextFrame() if self._answering:
                seen.words(frame.text)
            case TranscriptionFrame():
                seen.heard.append(frame.text)
                seen.notify()
            case LLMFullResponseEndFrame():
                seen.end_answer()
            case InterruptionFrame() if direction == FrameDirection.DOWNSTREAM:
                self._answering = False
                seen.interrupt()
                seen.end_answer(cut=True)
            case ErrorFrame():
                seen.errors.append(frame.error)
        await self.push_frame(frame, direction)


class Pipecat(Client):
    async def connect(self, url: str) -> None:
        self._cancelled = False
        lookup = FunctionSchema("lookup", "Looks something up.", {"place": {"enum": ["museum", "library"]}}, ["place"])
        properties = events.SessionProperties(
            audio=events.AudioConfiguration(
                input=events.AudioInput(
                    transcription=events.InputAudioTranscription(),
                    turn_detection=events.SemanticTurnDetection(),
                    noise_reduction=events.InputAudioNoiseReduction(type="near_field"),
                ),
                output=events.AudioOutput(voice="echo", speed=1.1),
            ),
            tracing="auto",
        )
        self._service = OpenAIRealtimeLLMService(
            api_key="any",
            base_url=url.replace("http", "ws", 1) + "/v1/realtime",
            settings=OpenAIRealtimeLLMService.Settings(
                system_instruction="Answer in one short sentence.", session_properties=properties
            ),
        )
        self._service.register_function("lookup", self._lookup)
        greeting = {"role": "user", "content": "Say hello."}
        self._service.add_event_handler("on_conversation_item_updated", self._updated)
        self._context = LLMContext([greeting], tools=ToolsSchema(standard_tools=[lookup]))
        user, assistant = LLMContextAggregatorPair(self._context)
        above, below = Watch(self.seen), Watch(self.seen)
        self._task = PipelineTask(
            Pipeline([user, above, self._service, below, assistant]),
            params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        )
        self._running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(self._task))
        # As in Pipecat's examples, the agent speaks first: this is what sets the conversation up.
        answers = len(self.seen.answers)
        await self._task.queue_frame(LLMRunFrame())
        await self.seen.until(lambda: len(self.seen.answers) > answers and self.seen.answers[-1].over)
        await self.seen.until_played()

    async def send_audio(self, pcm16: bytes) -> None:
        await self._task.queue_frame(InputAudioRawFrame(audio=pcm16, sample_rate=RATE, num_channels=1))

    async def type(self, text: str) -> None:
        content = [events.ItemContent(type="input_text", text=text)]
        item = events.ConversationItem(type="message", role="user", content=content)
        await self._service.send_client_event(events.ConversationItemCreateEvent(item=item))
        await self._service.send_client_event(events.ResponseCreateEvent())

    async def ask_for_tool(self, text: str) -> None:
        await self._choose_tool("required")
        await self.type(text)

    async def cancel(self) -> None:
        self._cancelled = True
        await self._service.send_client_event(events.ResponseCancelEvent())

    async def close(self) -> None:
        await self._task.cancel()
        await self._running

    async def _updated(self, service: object, item_id: str, item: events.ConversationItem | None) -> None:
        # What ended at its length is incomplete, too, and this overtakes the last of its sound.
        if self._cancelled and item is not None and item.role == "assistant" and item.status == "incomplete":
            self.seen.end_answer(cut=True)

    async def _choose_tool(self, choice: str) -> None:
        session = events.SessionProperties(tool_choice=choice)
        await self._service.send_client_event(events.SessionUpdateEvent(session=session))

    async def _lookup(self, call) -> None:
        self.seen.tools.append(dict(call.arguments))
        await self._choose_tool("none")  # forced once: the follow-up is to be spoken
        await call.result_callback("Open from nine to five.")


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    main(Pipecat)
