"""A caller over WebRTC without a browser: a scripted microphone, the received audio, and the events."""

import asyncio
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import httpx
import numpy as np
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet as EncodedPacket
from av.stream import Stream

from audio.pcm import INPUT_RATE, Pcm, silence
from bench.callers.relay import Relay
from pipeline.commands import Audio
from realtime.terminal.client import ConnectionFailed
from realtime.webrtc.data_channel import LABEL, DataChannel
from realtime.webrtc.opus import RTP_RATE, OpusEncoder
from realtime.webrtc.receiver import AudioReceiver
from realtime.webrtc.reorder_buffer import Packet
from realtime.webrtc.rtp_tap import tap
from realtime.webrtc.voice_output import BLOCKS_A_SECOND
from realtime.webrtc.voice_track import PacketClock

MICROPHONE_RATE = 24_000
PLAYBACK_RATE = INPUT_RATE

_BLOCK = MICROPHONE_RATE // BLOCKS_A_SECOND
_CONNECT_S = 20.0
_MAX_PACKETS = 1000


class Microphone(MediaStreamTrack):
    """Plays what it is given at 24 kHz in real time, and room noise in between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._noise_level = 0.0
        self._to_say: deque[Pcm] = deque()
        self._said = asyncio.Event()
        self._said_at = 0.0
        self._clock = PacketClock(math.inf)  # a sound card keeps blocks that the program is late to read
        self._encoder = OpusEncoder(MICROPHONE_RATE)
        self._noise = np.random.default_rng(0)

    def set_noise(self, level: float) -> None:
        """Set the amplitude (RMS) of the room noise."""
        self._noise_level = level

    async def say(self, pcm: Pcm) -> float:
        """Play `pcm`. Returns after its last block has left, with the loop's time at which its first one did."""
        blocks = [pcm[start : start + _BLOCK] for start in range(0, len(pcm), _BLOCK)]
        self._to_say.extend(blocks)
        self._said.clear()
        await self._said.wait()
        return self._said_at - (len(blocks) - 1) / BLOCKS_A_SECOND

    async def recv(self) -> "EncodedPacket[Stream]":
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        number, wait_s = self._clock.next(loop.time())
        await asyncio.sleep(wait_s)
        block = self._to_say.popleft() if self._to_say else silence(0)
        if len(block) and not self._to_say:
            self._said_at = loop.time()
            self._said.set()
        hiss = self._noise.standard_normal(_BLOCK - len(block), np.float32) * self._noise_level
        packet = EncodedPacket(self._encoder.encode(np.concatenate((block, hiss))))
        packet.pts = number * RTP_RATE // BLOCKS_A_SECOND
        packet.time_base = Fraction(1, RTP_RATE)
        return packet


class Phone:
    """One call over WebRTC."""

    def __init__(self) -> None:
        self.microphone = Microphone()
        self.heard: list[tuple[float, Pcm]] = []
        """Received audio at 16 kHz, gaps filled, each piece with the loop's time of its arrival."""
        self.location = ""
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._channel = DataChannel()
        self._packets: asyncio.Queue[Packet] = asyncio.Queue(_MAX_PACKETS)
        self._sounds = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def send(self, event: Mapping[str, Any]) -> None:
        """Send a client event, as JSON over the data channel."""
        await self._channel.send(json.dumps(event))

    async def receive(self) -> dict[str, Any]:
        """The server's next event. Raises `realtime.webrtc.data_channel.Closed`."""
        event: dict[str, Any] = json.loads(await self._channel.receive())
        return event

    def sound(self) -> Pcm:
        """All audio received so far, at 16 kHz."""
        return np.concatenate([silence(0), *(pcm for _, pcm in self.heard)])

    async def listen(self, until: Callable[[Pcm], bool]) -> Pcm:
        """Wait until the audio so far satisfies `until`; returns it."""
        while not until(sound := self.sound()):
            self._sounds.clear()
            await self._sounds.wait()
        return sound

    async def connect(
        self,
        url: str,
        api_key: str = "",
        query: str = "",
        relay: Relay | None = None,
        events: bool = True,
        session: str | None = None,
    ) -> None:
        """Call the server at `url`. Raises `ConnectionFailed`."""
        self.connection.addTrack(self.microphone)
        if events:
            channel = self.connection.createDataChannel(LABEL)
            channel.on("open", lambda: self._channel.attach(channel))
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp = self.connection.localDescription.sdp
        offer = relay.offer(sdp) if relay else sdp
        answer = await self._post(f"{url}/v1/realtime/calls{query}", api_key, offer, session)
        [transceiver] = self.connection.getTransceivers()
        tap(transceiver.receiver, self._packets)
        sdp = await relay.answer(answer) if relay else answer
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        self._listening = asyncio.create_task(self._listen(), name="phone's receiver")
        try:
            async with asyncio.timeout(_CONNECT_S):
                await (self._channel.wait_open() if events else self._sounds.wait())
        except TimeoutError:
            raise ConnectionFailed(f"{url} answered the call, but no connection could be made") from None

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        await self.connection.close()

    async def _post(self, address: str, api_key: str, offer: str, session: str | None) -> str:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=headers) as client:
            try:
                if session is None:
                    sdp = {"Content-Type": "application/sdp"}
                    response = await client.post(address, content=offer, headers=sdp)
                else:
                    form = {"sdp": (None, offer), "session": (None, session)}
                    response = await client.post(address, files=form)
            except httpx.HTTPError as error:
                raise ConnectionFailed(f"no server answers at {address} ({error})") from error
        if response.status_code != 201:
            raise ConnectionFailed(f"{address} refused the call ({response.status_code}): {response.text}")
        self.location = response.headers["location"]
        return response.text

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        receiver = AudioReceiver(loop.time())
        while True:
            try:
                async with asyncio.timeout(0.02):
                    packet = await self._packets.get()
            except TimeoutError:
                commands = receiver.due(loop.time())
            else:
                commands = receiver.push(packet, loop.time())
            for command in commands:
                pcm = command.pcm if isinstance(command, Audio) else silence(command.samples)
                self.heard.append((loop.time(), pcm))
                self._sounds.set()


@asynccontextmanager
async def ring(
    url: str,
    api_key: str = "",
    query: str = "",
    relay: Relay | None = None,
    events: bool = True,
    session: str | None = None,
) -> AsyncIterator[Phone]:
    """Hold a call with the server at `url`, such as http://localhost:8000; without `events`, with audio alone.

    `session` is the session's settings, as JSON.
    """
    phone = Phone()
    try:
        await phone.connect(url, api_key, query, relay, events, session)
        yield phone
    finally:
        await phone.close()
