"""One call over WebRTC: audio both ways by RTP, events by a data channel."""

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

from pipeline.commands import Audio, Command, Hush, Silence
from pipeline.runtime.ids import new_id
from realtime.limits.pace import Pace
from realtime.protocol.parsing import ServerEvent, error_event
from realtime.sessions.client_events import ClientEvents
from realtime.sessions.idle_clock import STEP_S, Standstill
from realtime.sessions.live_sessions import OpenSession, SessionAgent, SessionEnd, Sessions
from realtime.sessions.observer import SessionWatch
from realtime.sessions.outbox import Outbox
from realtime.sessions.places import placed
from realtime.webrtc.call_listener import CallListener
from realtime.webrtc.data_channel import Closed, DataChannel
from realtime.webrtc.receiver import AudioReceiver
from realtime.webrtc.reorder_buffer import Packet
from realtime.webrtc.rtp_tap import tap
from realtime.webrtc.sdp import BadOffer, cleaned, completed
from realtime.webrtc.voice_output import VoiceOutput
from realtime.webrtc.voice_track import VoiceTrack

log = logging.getLogger(__name__)

_CONNECT_S = 10.0
"""Longest time from a client's offer to its connection. It holds a session's place meanwhile."""
_CLOSE_S = 2.0
"""Longest time for the last events to be taken, and again for the connection to be closed."""
_CLOSING: set[asyncio.Task[None]] = set()
"""Connections that are being closed: one that is given up half-way keeps its ports for ever."""
_MAX_PACKETS = 500
"""10 s of audio that the agent may fall behind, or a client be ahead of its pace. Packets beyond that are dropped, as a
network would drop them."""
_SOON_S = 0.02
"""Interval at which held-back packets are checked."""


class Call:
    """One call: `answer` the offer, then `hold` the call, and in any case `close` it."""

    def __init__(
        self,
        opened: OpenSession,
        ice_servers: Sequence[RTCIceServer],
        send_timeout_s: float,
        watch: SessionWatch,
        media_address: str = "",
    ) -> None:
        """`media_address`: where the client reaches this machine's ports; "": at the machine's own addresses."""
        self.id = placed(new_id("rtc"), opened.place)
        self._watch = watch
        self._opened = opened
        self._session = session = opened.session
        self._send_timeout_s = send_timeout_s
        self._media_address = media_address
        self._outbox = Outbox(session, watch.delivered)
        self._output = VoiceOutput(session.settings.output_rate)
        self._listener = CallListener(self._outbox, self._output)
        self._channel = DataChannel()
        self._packets: asyncio.Queue[Packet] = asyncio.Queue(_MAX_PACKETS)
        self._connected = asyncio.Event()
        self._gone = asyncio.Event()
        # One port for everything, as all browsers offer. Without a list of servers aiortc would ask a public one.
        configuration = RTCConfiguration(iceServers=list(ice_servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._connection = RTCPeerConnection(configuration)
        self._connection.on("connectionstatechange", self._note_state)
        self._connection.on("datachannel", self._channel.attach)

    async def answer(self, offer: str) -> str:
        """Answer an SDP offer, with our candidates in the answer. Raises `BadOffer`."""
        offer = cleaned(offer)
        if "m=application" not in offer:
            self._channel.give_up()
        self._connection.addTrack(VoiceTrack(self._output, self._listener.report))
        [ours] = self._connection.getTransceivers()
        ours.setCodecPreferences(_opus())
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
            for other in self._connection.getTransceivers():
                if other is not ours:
                    other.direction = "inactive"
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except Exception as error:  # aiortc's parser raises whatever a wrong line leads to
            log.info("an offer could not be answered", exc_info=True)
            raise BadOffer(f"The offer can't be answered: {str(error) or type(error).__name__}.") from error
        tap(ours.receiver, self._packets)
        return completed(self._connection.localDescription.sdp, self._media_address)

    def hang_up(self) -> None:
        self._gone.set()

    async def hold(self, sessions: Sessions, complaints: Sequence[ServerEvent]) -> None:
        """Hold the conversation until either side hangs up or a limit is reached; `complaints` are sent first."""
        for event in (*self._opened.greeting(), *complaints):
            self._outbox.put(event)
        end = await sessions.hold(self._opened, self._listener, self._carry, self._watch)
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
            log.info("a client left before its session was closed")

    async def close(self) -> None:
        """Close the connection and free its ports. What takes longer than anybody waits goes on by itself."""
        closing = asyncio.create_task(self._close_connection(), name=f"{self.id} close")
        _CLOSING.add(closing)
        closing.add_done_callback(_CLOSING.discard)
        _, unfinished = await asyncio.wait({closing}, timeout=_CLOSE_S)
        if unfinished:
            log.warning("the connection of call %s was not closed within %g s", self.id, _CLOSE_S)

    async def _close_connection(self) -> None:
        try:
            await self._connection.close()
        except Exception as error:  # aiortc closes what a wrong offer has left half made, and fails at that
            log.info("the connection of call %s was not closed cleanly: %r", self.id, error)

    def _carry(self, agent: SessionAgent, pace: Pace) -> Iterable[Coroutine[Any, Any, None]]:
        events = ClientEvents(self._session, agent, self._outbox, pace, self._hush)
        return self._listen(events), self._converse(events), self._write(), self._connect(), self._until_gone()

    def _note_state(self) -> None:
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
            raise SessionEnd(None) from None

    async def _until_gone(self) -> None:
        await self._gone.wait()
        raise SessionEnd(None)

    async def _listen(self, events: ClientEvents) -> None:
        """Pass the user's audio to the agent, and silence while none arrives."""
        await self._connected.wait()
        loop = asyncio.get_running_loop()
        receiver, standstill = AudioReceiver(loop.time()), Standstill()
        while True:
            commands: list[Audio | Silence] = []
            packet, since = None, loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout(_SOON_S if receiver.waiting else STEP_S):
                    packet = await self._packets.get()
            stood_still = standstill.during(since, loop.time())
            if packet is not None:
                commands = receiver.push(packet, loop.time())
            elif not stood_still:
                commands = receiver.due(loop.time())
            for command in commands:
                await events.do(command)

    async def _converse(self, events: ClientEvents) -> None:
        """Pass client events to the agent, one by one."""
        while True:
            await self._outbox.ready_for_requests()
            try:
                message = await self._channel.receive()
            except Closed:
                raise SessionEnd(None) from None
            if not isinstance(message, str):
                self._outbox.put(error_event("invalid_frame", "Events are JSON in text messages, not binary ones."))
                continue
            await events.carry_out(message)

    def _hush(self, command: Command) -> None:
        if isinstance(command, Hush):
            self._listener.hush()

    async def _write(self) -> None:
        await self._connected.wait()
        while True:
            try:
                await self._outbox.send(self._channel.send, self._send_timeout_s)
            except TimeoutError:
                if self._channel.is_open:
                    log.info("a client took no events for %g s", self._send_timeout_s)
                    raise SessionEnd(None) from None
                self._channel.give_up()
            except Closed:
                raise SessionEnd(None) from None


def _opus() -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    assert capabilities is not None
    return [codec for codec in capabilities.codecs if codec.mimeType == "audio/opus"]
