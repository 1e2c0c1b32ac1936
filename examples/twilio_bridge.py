"""A bridge between phone calls and Antiphon: a server of Twilio Media Streams, with barge-in.

    antiphon serve
    python examples/twilio_bridge.py --port 8765

Give the bridge a public address with TLS, and answer calls with this TwiML:

    <Response><Connect><Stream url="wss://bridge.example.org/" /></Connect></Response>

It needs nothing of Antiphon but the address: `pip install openai websockets`. Both sides take 8 kHz mu-law, so
that audio passes through unchanged.
"""

import argparse
import asyncio
import json
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.server import ServerConnection, serve

FORMAT = {"type": "audio/pcmu"}
BYTES_PER_MS = 8


class PhoneCall:
    """One call: Twilio's socket on one side, a session of Antiphon on the other."""

    def __init__(self, phone: ServerConnection, agent: AsyncRealtimeConnection) -> None:
        self._phone = phone
        self._agent = agent
        self._stream_id = ""
        self._sent_ms: dict[str, int] = {}
        """Milliseconds that were sent of each answer that has not been played to its last mark."""
        self._played_ms: dict[str, int] = {}

    async def hear(self) -> None:
        """Pass on what Twilio sends, until the caller hangs up."""
        async for message in self._phone:
            frame = json.loads(message)
            match frame["event"]:
                case "start":
                    self._stream_id = frame["streamSid"]
                case "media":
                    await self._agent.input_audio_buffer.append(audio=frame["media"]["payload"])
                case "mark":
                    self._played(*frame["mark"]["name"].split(":"))
                case "stop":
                    return

    async def speak(self) -> None:
        """Pass on what the agent says, until its session ends."""
        async for event in self._agent:
            match event.type:
                case "response.output_audio.delta":
                    await self._send("media", media={"payload": event.delta})
                    samples = len(event.delta) * 3 // 4 - event.delta.count("=")
                    sent_ms = self._sent_ms.get(event.item_id, 0) + samples // BYTES_PER_MS
                    self._sent_ms[event.item_id] = sent_ms
                    # Twilio sends a mark back when all that was sent before it has been played.
                    await self._send("mark", mark={"name": f"{event.item_id}:{sent_ms}"})
                case "input_audio_buffer.speech_started":
                    await self._fall_silent()
                case "error":
                    print(event.error.message, flush=True)

    async def _fall_silent(self) -> None:
        """Drop what Twilio has not played yet, and tell the agent how much of its answer was heard."""
        unplayed, self._sent_ms = self._sent_ms, {}
        if unplayed:
            await self._send("clear")
        for item_id in unplayed:
            played_ms = self._played_ms.get(item_id, 0)
            await self._agent.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=played_ms)

    def _played(self, item_id: str, ms: str) -> None:
        if item_id in self._sent_ms:  # after `clear`, the marks of what was dropped come back as well
            self._played_ms[item_id] = int(ms)
            if self._sent_ms[item_id] == int(ms):
                del self._sent_ms[item_id]

    async def _send(self, event: str, **content: object) -> None:
        await self._phone.send(json.dumps({"event": event, "streamSid": self._stream_id, **content}))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://localhost:8000/v1", help="of Antiphon; default: %(default)s")
    parser.add_argument("--key", default="none", help="the server's API key, if it has one")
    parser.add_argument("--port", type=int, default=8765, help="of the bridge; default: %(default)s")
    options = parser.parse_args()
    client = AsyncOpenAI(base_url=options.url, api_key=options.key)

    async def answer(phone: ServerConnection) -> None:
        async with client.realtime.connect(model="antiphon") as agent:
            audio = {"input": {"format": FORMAT}, "output": {"format": FORMAT}}
            session: Any = {"type": "realtime", "audio": audio}
            await agent.session.update(session=session)
            call = PhoneCall(phone, agent)
            sides = [asyncio.create_task(call.hear()), asyncio.create_task(call.speak())]
            _, running = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            for side in running:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)

    async with serve(answer, "localhost", options.port) as server:
        print(f"Waiting for calls on ws://localhost:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
