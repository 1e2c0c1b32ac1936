"""Session descriptions (SDP, RFC 8866): checks on offers, additions to answers."""

import re

from aiortc.sdp import SessionDescription

_MAX_MEDIA = 8
_MAX_CANDIDATES = 64
"""A security limit: connectivity checks are sent to each address that a client names."""

_OPUS = "stereo=0;useinbandfec=0;usedtx=0;maxplaybackrate=16000;sprop-maxcapturerate=24000"
"""The Opus stream that we ask for (RFC 7587): mono, no wider than the agent's 16 kHz, without gaps in silence. FEC is
accepted, but lost packets are concealed without it, because FFmpeg's decoder does not read the redundant copies."""


class BadOffer(ValueError):
    """An offer that cannot be answered; the message states why."""


def cleaned(offer: str) -> str:
    """The lines of an offer that are used. Raises `BadOffer` if something is missing or there is too much of it.

    Candidates with multicast DNS names are left out, because their browser connects to us without them, and so are
    those without a port that exists, to which aioice would send all the same.
    """
    lines = offer.splitlines()
    if not lines or lines[0] != "v=0":
        raise BadOffer("This is not a session description: the first line of an SDP offer is 'v=0'.")
    media = [line for line in lines if line.startswith("m=")]
    if not any(line.startswith("m=audio ") for line in media):
        raise BadOffer("The offer has no audio: add a microphone track, or a transceiver that receives audio.")
    if len(media) > _MAX_MEDIA:
        raise BadOffer(f"The offer has {len(media)} media sections; at most {_MAX_MEDIA} are taken.")
    if not any(line.startswith("a=fingerprint:") for line in lines):
        raise BadOffer("The offer has no DTLS fingerprint.")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    usable = [line for line in candidates if _port(line) in range(1, 2**16) and not re.search(r"\.local\b", line)]
    left_out = set(candidates) - set(usable[:_MAX_CANDIDATES])
    kept = "".join(f"{line}\r\n" for line in lines if line not in left_out)
    if not _is_bundled_well(_parsed(kept)):
        raise BadOffer("The offer bundles its media in a section that it does not have.")
    return kept


def _parsed(offer: str) -> SessionDescription:
    """The offer as aiortc reads it."""
    try:
        return SessionDescription.parse(offer)
    except Exception as error:  # its parser raises whatever a wrong line leads to
        raise BadOffer(f"The offer can't be read: {str(error) or type(error).__name__}.") from error


def _is_bundled_well(offer: SessionDescription) -> bool:
    """Whether the first of the sections that share a connection (RFC 9143) exists: the connection is that section's."""
    bundle = next((group.items for group in offer.group if group.semantic == "BUNDLE"), [])
    connected = [section for section in offer.media if section.kind in ("audio", "video")]
    connected += [section for section in offer.media if section.kind == "application"][:1]
    return not bundle or bundle[0] in [section.rtp.muxId for section in connected]


def _port(candidate: str) -> int | None:
    """The port of a candidate (RFC 8839); None if it has none."""
    found = re.match(r"a=candidate:\S+ \d+ \S+ \d+ \S+ ([0-9]{1,5}) typ ", candidate)
    return None if found is None else int(found[1])


def completed(answer: str, media_address: str = "") -> str:
    """aiortc's answer, with the parameters of the Opus stream that we ask for.

    `media_address`: stands in the candidates of this machine instead of the addresses that it knows of itself, where a
    router translates one to the other and keeps the ports; "": they stay.
    """
    if media_address:
        own = r"(a=candidate:\S+ \d \S+ \d+ )\S+( \d+ typ host)"
        answer = re.sub(own, rf"\g<1>{media_address}\g<2>", answer)
    return re.sub(r"(a=rtpmap:(\d+) opus/48000/2\r\n)", rf"\1a=fmtp:\2 {_OPUS}\r\n", answer)
