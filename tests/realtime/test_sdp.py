import pytest

from realtime.sdp import BadOffer, cleaned, completed

OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=fingerprint:sha-256 00\r\n"


def test_an_offer_passes_without_names_that_only_multicast_dns_knows() -> None:
    lines = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=candidate:2 1 udp 1 1f.local 5000 typ host\r\n"
    assert cleaned(OFFER + lines) == OFFER + lines.splitlines()[0] + "\r\n"
    assert cleaned(OFFER.replace("\r\n", "\n")) == OFFER


def test_a_client_can_have_only_so_many_addresses_looked_at() -> None:
    candidates = "".join(f"a=candidate:{n} 1 udp 1 192.0.2.1 {n} typ host\r\n" for n in range(1000))
    assert cleaned(OFFER + candidates).count("a=candidate:") == 64


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ("", "'v=0'"),
        ("{}", "'v=0'"),
        (OFFER.replace("m=audio", "m=video"), "no audio"),
        (OFFER + "m=video 9\r\n" * 8, "9 media sections"),
        (OFFER.replace("a=fingerprint", "a=x"), "fingerprint"),
    ],
)
def test_what_is_wrong_is_said(offer: str, reason: str) -> None:
    with pytest.raises(BadOffer, match=reason):
        cleaned(offer)


def test_the_answer_says_how_we_want_to_be_spoken_to() -> None:
    answer = completed("a=rtpmap:111 opus/48000/2\r\na=x\r\n")
    assert answer.splitlines()[1].startswith("a=fmtp:111 stereo=0;useinbandfec=0;usedtx=0")
    assert answer.endswith("a=x\r\n")
