"""Session descriptions (SDP, RFC 8866): checks on offers, additions to answers."""

import re

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
    if any(bundle[:1] and bundle[0] not in _section_names(lines) for bundle in _bundles(lines)):
        raise BadOffer("The offer bundles its media in a section that it does not have.")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    usable = [line for line in candidates if _port(line) in range(1, 2**16) and not re.search(r"\.local\b", line)]
    left_out = set(candidates) - set(usable[:_MAX_CANDIDATES])
    return "".join(f"{line}\r\n" for line in lines if line not in left_out)


def _bundles(lines: list[str]) -> list[list[str]]:
    """The names in each group of sections that share a connection (RFC 9143); it is that of the first."""
    return [line.split()[1:] for line in lines if re.match(r"a=group:BUNDLE\b", line)]


def _section_names(lines: list[str]) -> set[str]:
    """The names of the sections that get a connection."""
    names, usable = set[str](), False
    for line in lines:
        if line.startswith("m="):
            usable = line.startswith(("m=audio ", "m=video ", "m=application "))
        elif usable and line.startswith("a=mid:"):
            names.add(line.removeprefix("a=mid:").strip())
    return names


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
