"""Session descriptions (SDP, RFC 8866) as they come in and as they go out."""

import re

_MOST_MEDIA = 8
_MOST_CANDIDATES = 64
"""A security limit: connectivity checks are sent to each address that a client names."""

_OPUS = "stereo=0;useinbandfec=0;usedtx=0;maxplaybackrate=16000;sprop-maxcapturerate=24000"
"""What we want to be sent (RFC 7587): mono, no wider than we listen, and the silences too. Lost packets are concealed
without the copies that FEC puts into later ones: FFmpeg's decoder doesn't read them."""


class BadOffer(ValueError):
    """An offer that can't be answered; the message says why."""


def cleaned(offer: str) -> str:
    """An offer with what we need in it and nothing that is too much. Raises `BadOffer`.

    Candidates whose names only multicast DNS could resolve are left out: the browser behind them finds us first.
    """
    lines = offer.splitlines()
    if not lines or lines[0] != "v=0":
        raise BadOffer("It is no session description: the first line of an SDP offer is 'v=0'.")
    media = [line for line in lines if line.startswith("m=")]
    if not any(line.startswith("m=audio ") for line in media):
        raise BadOffer("The offer has no audio: add a microphone track, or a transceiver that receives audio.")
    if len(media) > _MOST_MEDIA:
        raise BadOffer(f"The offer has {len(media)} media sections; at most {_MOST_MEDIA} are taken.")
    if not any(line.startswith("a=fingerprint:") for line in lines):
        raise BadOffer("The offer has no DTLS fingerprint.")
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    left_out = {line for line in candidates if re.search(r"\.local\b", line)} | set(candidates[_MOST_CANDIDATES:])
    return "".join(f"{line}\r\n" for line in lines if line not in left_out)


def completed(answer: str) -> str:
    """aiortc's answer with how we want to be spoken to."""
    return re.sub(r"(a=rtpmap:(\d+) opus/48000/2\r\n)", rf"\1a=fmtp:\2 {_OPUS}\r\n", answer)
