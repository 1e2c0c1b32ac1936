"""livekit-agents: an `AgentSession` on the OpenAI plugin's `RealtimeModel`, without a room."""

import asyncio
import logging
import time
from typing import Literal

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool, utils
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities
from livekit.plugins import openai
from walk import RATE, Client, Seen, main


class Microphone(AudioInput):
    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self.frames.get()


class Loudspeaker(AudioOutput):
    """Plays by the clock, as a room's participant does."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(label="loudspeaker", capabilities=AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self._seen = seen
        self._pushed_s = 0.0
        self._began = 0.0
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._pushed_s:
            self._began = time.monotonic()
            self.on_playback_started(created_at=time.time())
        self._pushed_s += frame.duration
        self._seen.sound(bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        if self._pushed_s and self._end is None:
            left = max(0.0, self._began + self._pushed_s - time.monotonic())
            self._end = asyncio.get_running_loop().call_later(left, self._finish, False)

    def clear_buffer(self) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._pushed_s:
            self._seen.interrupt()
            self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        position = min(self._pushed_s, time.monotonic() - self._began)
        self._pushed_s, self._end = 0.0, None
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


class LiveKitAgents(Client):
    async def connect(self, url: str) -> None:
        @function_tool
        async def lookup(place: Literal["museum", "library"]) -> str:
            """Looks something up."""
            self.seen.tools.append({"place": place})
            return "Open from nine to five."

        await utils.http_context.open().__aenter__()
        model = openai.realtime.RealtimeModel(
            base_url=f"{url}/v1",
            api_key="any",
            voice="verse",
            speed=1.1,
            tracing="auto",
            truncation="auto",
            input_audio_noise_reduction="near_field",
        )
        self._session: AgentSession = AgentSession(llm=model)
        self._microphone = Microphone()
        self._session.input.audio = self._microphone
        self._session.output.audio = Loudspeaker(self.seen)
        self._session.on("user_input_transcribed", self._transcribed)
        self._session.on("conversation_item_added", self._added)
        self._session.on("agent_state_changed", self._state)
        self._session.on("error", lambda event: self.seen.errors.append(str(event.error)))
        await self._session.start(Agent(instructions="Answer in one short sentence.", tools=[lookup]))

    async def send_audio(self, pcm16: bytes) -> None:
        self._microphone.frames.put_nowait(rtc.AudioFrame(pcm16, RATE, 1, len(pcm16) // 2))

    async def type(self, text: str) -> None:
        self._speech = self._session.generate_reply(user_input=text)

    async def ask_for_tool(self, text: str) -> None:
        self._speech = self._session.generate_reply(user_input=text, tool_choice="required")

    async def cancel(self) -> None:
        await self._session.interrupt()

    async def close(self) -> None:
        await self._session.aclose()

    def _transcribed(self, event) -> None:
        if event.is_final:
            self.seen.heard.append(event.transcript)
            self.seen.notify()

    def _added(self, event) -> None:
        if event.item.type == "message" and event.item.role == "assistant":
            self.seen.words(event.item.text_content or "")
            self.seen.end_answer(cut=event.item.interrupted)

    def _state(self, event) -> None:
        self.seen.notify()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(LiveKitAgents)
