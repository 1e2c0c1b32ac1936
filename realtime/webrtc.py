"""One call over WebRTC: an agent's voice and a person's by RTP, the events by a data channel."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from pipeline.commands import Audio, Hush, Silence
from pipeline.ids import new_id
from realtime.data_channel import Closed, DataChannel
from realtime.idle import STEP_S, Standstill
from realtime.line import Line
from realtime.outbox import Outbox
from realtime.outgoing import Outgoing
from realtime.reception import Reception
from realtime.reordering import Packet
from realtime.rtp import tap
from realtime.sdp import BadOffer, cleaned, completed
from realtime.session import Session
from realtime.sessions import Conversing, End, Sessions
from realtime.track import VoiceTrack
from realtime.wire import ServerEvent, error_event

log = logging.getLogger(__name__)

_CONNECT_S = 20.0
"""A client that isn't connected so long after its offer won't be."""
_CLOSE_S = 2.0
"""For the last words to be taken, and then again for the connection to be torn down."""
_MOST_PACKETS = 500
"""10 s that the agent may be behind. What comes then is lost, as on the way."""
_SOON_S = 0.02
"""Until packets that are held back are looked at again."""


class Call:
    """`answer` its offer, then `hold` it, and in any case `close` it."""

    def __init__(self, session: Session, ice_servers: Sequence[RTCIceServer], send_timeout_s: float) -> None:
        self.id = new_id("rtc")
        self._session = session
        self._send_timeout_s = send_timeout_s
        self._outbox = Outbox(session)
        self._outgoing = Outgoing(session.settings.output_rate)
        self._line = Line(self._outbox, self._outgoing)
        self._channel = DataChannel()
        self._packets: asyncio.Queue[Packet] = asyncio.Queue(_MOST_PACKETS)
        self._connected = asyncio.Event()
        self._gone = asyncio.Event()
        # One port for everything, as all browsers offer it. Without a list of servers aiortc would ask one of Google's.
        configuration = RTCConfiguration(iceServers=list(ice_servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._connection = RTCPeerConnection(configuration)
        self._connection.on("connectionstatechange", self._look)
        self._connection.on("datachannel", self._channel.attach)

    async def answer(self, offer: str) -> str:
        """The answer to an SDP offer, complete with its candidates. Raises `BadOffer`."""
        offer = cleaned(offer)
        self._channel.expected = "m=application" in offer
        self._connection.addTrack(VoiceTrack(self._outgoing, self._line.tell))
        [ours] = self._connection.getTransceivers()
        ours.setCodecPreferences(_opus())
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            for other in self._connection.getTransceivers():
                if other is not ours:
                    other.direction = "inactive"
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:  # its parser raises whatever a wrong line makes it stumble over
            log.info("an offer could not be answered", exc_info=True)
            raise BadOffer(f"The offer can't be answered: {str(error) or type(error).__name__}.") from error
        tap(ours.receiver, self._packets)
        return completed(self._connection.localDescription.sdp)

    def hang_up(self) -> None:
        self._gone.set()

    async def hold(self, sessions: Sessions, complaints: Sequence[ServerEvent]) -> None:
        """Hold the conversation until one of both hangs up, or it has to end; it begins with `complaints`."""
        for event in (*self._session.open(), *complaints):
            self._outbox.put(event)
        end = await sessions.hold(self._session, self._line, self._carry)
        if end.code is None:
            return
        if end.event is not None:
            self._outbox.put(end.event)
        try:
            async with asyncio.timeout(_CLOSE_S):
                while self._outbox and self._channel.is_open:
                    await self._outbox.send(self._channel.send, self._send_timeout_s)
                await self._channel.close()
        except (TimeoutError, Closed):
            log.info("a client was gone before it was told goodbye")

    async def close(self) -> None:
        """Free everything."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            log.warning("the connection of call %s could not be closed in %g s", self.id, _CLOSE_S)

    def _carry(self, agent: Conversing) -> Iterable[Coroutine[Any, Any, None]]:
        return self._listen(agent), self._converse(agent), self._write(), self._connect(), self._until_gone()

    def _look(self) -> None:
        match self._connection.connectionState:
            case "connected":
                self._connected.set()
            case "failed" | "closed":
                self._gone.set()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._connected.wait()
        except TimeoutError:
            log.info("call %s was never connected", self.id)
            raise End(None) from None

    async def _until_gone(self) -> None:
        await self._gone.wait()
        raise End(None)

    async def _listen(self, agent: Conversing) -> None:
        """The person's sound to the agent; and silence, while none comes."""
        await self._connected.wait()
        loop = asyncio.get_running_loop()
        reception, standstill = Reception(loop.time()), Standstill()
        while True:
            commands: list[Audio | Silence] = []
            packet, since = None, loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(_SOON_S if reception.waiting else STEP_S):
                    packet = await self._packets.get()
            stood_still = standstill.during(since, loop.time())
            if packet is not None:
                commands = reception.push(packet, loop.time())
            elif not stood_still:
                commands = reception.due(loop.time())
            for command in commands:
                await agent.do(command)

    async def _converse(self, agent: Conversing) -> None:
        """Client events to the agent, one by one."""
        while True:
            await self._outbox.has_room()
            try:
                message = await self._channel.receive()
            except Closed:
                raise End(None) from None
            if not isinstance(message, str):
                self._outbox.put(error_event("invalid_frame", "Events are JSON in text messages, not binary ones."))
                continue
            received = self._session.receive(message)
            for event in received.events:
                self._outbox.put(event)
            for command in received.commands:
                if isinstance(command, Hush):
                    self._line.hush()
                await agent.do(command)

    async def _write(self) -> None:
        await self._connected.wait()
        while True:
            try:
                await self._outbox.send(self._channel.send, self._send_timeout_s)
            except TimeoutError:
                if self._channel.is_open:
                    log.info("a client took no events for %g s", self._send_timeout_s)
                    raise End(None) from None
                self._channel.expected = False
            except Closed:
                raise End(None) from None


def _opus() -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    assert capabilities is not None
    return [codec for codec in capabilities.codecs if codec.mimeType == "audio/opus"]
