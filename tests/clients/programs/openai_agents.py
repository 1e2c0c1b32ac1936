"""openai-agents (Python): `RealtimeRunner` and its session, with the options of its quickstart."""

import asyncio
from typing import Literal

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner
from walk import Client, main


class OpenAIAgents(Client):
    async def connect(self, url: str) -> None:
        @function_tool
        async def lookup(place: Literal["museum", "library"]) -> str:
            """Looks something up."""
            self.seen.tools.append({"place": place})
            await self._choose_tool("none")  # forced once: the follow-up is to be spoken
            return "Open from nine to five."

        self._agent = RealtimeAgent(name="Guide", instructions="Answer in one short sentence.", tools=[lookup])
        runner = RealtimeRunner(
            starting_agent=self._agent,
            config={
                "model_settings": {
                    "model_name": "gpt-realtime-2.1",
                    "voice": "ash",
                    "modalities": ["audio"],
                    "speed": 1.1,
                    "input_audio_format": "pcm16",
                    "output_audio_format": "pcm16",
                    "input_audio_noise_reduction": {"type": "far_field"},
                    "input_audio_transcription": {"model": "gpt-4o-mini-transcribe", "prompt": "A museum."},
                    "turn_detection": {"type": "semantic_vad", "interrupt_response": True},
                }
            },
        )
        address = url.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime-2.1"
        self._session = await runner.run(model_config={"api_key": "any", "url": address})
        await self._session.enter()
        self._ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        await self._ready.wait()

    async def send_audio(self, pcm16: bytes) -> None:
        await self._session.send_audio(pcm16)

    async def type(self, text: str) -> None:
        await self._session.send_message(text)

    async def ask_for_tool(self, text: str) -> None:
        await self._choose_tool("required")
        await self._session.send_message(text)

    async def cancel(self) -> None:
        await self._session.interrupt()

    async def close(self) -> None:
        await self._session.close()
        await self._reading

    async def _choose_tool(self, choice: str) -> None:
        from agents.realtime.model_inputs import RealtimeModelSendSessionUpdate

        await self._session.model.send_event(
            RealtimeModelSendSessionUpdate(session_settings={"tool_choice": choice, "tools": self._agent.tools})
        )

    async def _read(self) -> None:
        seen = self.seen
        async for event in self._session:
            match event.type:
                case "audio":
                    seen.sound(event.audio.data)
                case "audio_interrupted":
                    seen.interrupt()
                case "error":
                    seen.errors.append(str(event.error))
                case "raw_model_event" if event.data.type == "raw_server_event":
                    self._raw(event.data.data)

    def _raw(self, event: dict) -> None:
        """What the session does not give to its application in any other way."""
        match event["type"]:
            case "session.updated":
                self._ready.set()
            case "response.output_audio_transcript.delta":
                self.seen.words(event["delta"])
            case "response.done":
                self.seen.end_answer(cut=event["response"]["status"] == "cancelled")
            case "conversation.item.truncated":
                self.seen.truncations += 1
            case "conversation.item.input_audio_transcription.completed":
                self.seen.heard.append(event["transcript"])
                self.seen.notify()


if __name__ == "__main__":
    main(OpenAIAgents)
