import logging
from random import Random

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench.abuse.attackers import mutated_offer
from realtime.webrtc.sdp import BadOffer, cleaned, completed

OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:sha-256 00\r\n"
EVENTS = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"


def bundled(names: str) -> str:
    return OFFER.replace("m=audio", f"a=group:BUNDLE {names}\r\nm=audio")


def test_an_offer_passes_without_names_that_only_multicast_dns_knows() -> None:
    lines = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=candidate:2 1 udp 1 1f.local 5000 typ host\r\n"
    assert cleaned(OFFER + lines) == OFFER + lines.splitlines()[0] + "\r\n"
    assert cleaned(OFFER.replace("\r\n", "\n")) == OFFER


@pytest.mark.parametrize("port", ["0", "65536", "99999999999999999999", "-1", "", "5000.0", "x"])
def test_a_candidate_whose_port_is_none_is_left_out(port: str) -> None:
    good, bad = (f"a=candidate:1 1 udp 1 192.0.2.1 {number} typ host\r\n" for number in ("65535", port))
    assert cleaned(OFFER + bad + good) == OFFER + good


def test_a_client_can_have_only_so_many_addresses_looked_at() -> None:
    candidates = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n} typ host\r\n" for n in range(1, 1000))
    assert cleaned(OFFER + candidates).count("a=candidate:") == 64


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ("", "'v=0'"),
        ("{}", "'v=0'"),
        (OFFER.replace("m=audio", "m=video"), "no audio"),
        (OFFER + "m=video 9\r\n" * 8, "9 media sections"),
        (OFFER.replace("a=fingerprint", "a=x"), "fingerprint"),
        (bundled("1 0") + "a=mid:0\r\n", "bundles"),
        (bundled("0 1"), "bundles"),
        (bundled("0") + "a=mid:0\r\na=mid:1\r\n", "bundles"),
        (bundled("2") + f"a=mid:0\r\n{EVENTS}a=mid:1\r\n{EVENTS}a=mid:2\r\n", "bundles"),
        (OFFER + "a=extmap:x\r\n", "read"),
    ],
)
def test_what_is_wrong_is_said(offer: str, reason: str) -> None:
    with pytest.raises(BadOffer, match=reason):
        cleaned(offer)


def test_the_answer_says_how_we_want_to_be_spoken_to() -> None:
    answer = completed("a=rtpmap:111 opus/48000/2\r\na=x\r\n")
    assert answer.splitlines()[1].startswith("a=fmtp:111 stereo=0;useinbandfec=0;usedtx=0")
    assert answer.endswith("a=x\r\n")


def test_callers_are_told_the_address_at_which_they_reach_the_machine() -> None:
    own = "a=candidate:1 1 udp 2130706431 10.0.0.7 5000 typ host\r\n"
    relayed = "a=candidate:2 1 udp 1 198.51.100.9 6000 typ relay raddr 10.0.0.7 rport 5000\r\n"
    assert completed(own + relayed) == own + relayed
    assert completed(own + relayed, "203.0.113.4") == own.replace("10.0.0.7", "203.0.113.4") + relayed


SHORT = "\r\n".join(
    (
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 96",
        "a=mid:0",
        "a=rtcp-mux",
        "a=rtpmap:96 opus/48000/2",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=fingerprint:sha-256 00",
        "a=setup:actpass",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:1",
        "a=sctp-port:5000",
        "a=max-message-size:65536",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=fingerprint:sha-256 00",
        "a=setup:actpass",
    )
)


async def test_whatever_passes_has_a_connection_for_each_of_its_sections(caplog: pytest.LogCaptureFixture) -> None:
    """aiortc's own task fails with a traceback at a section that has none."""
    random, taken = Random(5), 0
    for _ in range(1_000):
        try:
            offer = cleaned(mutated_offer(SHORT, random).decode())
        except BadOffer:
            continue
        connection = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        connection.addTransceiver("audio")
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception:  # whatever the parser raises
            continue
        taken += 1
        assert None not in [transceiver.receiver.transport for transceiver in connection.getTransceivers()], offer
        assert connection.sctp is None or connection.sctp.transport is not None, offer
        await connection.close()
    assert taken > 100
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
