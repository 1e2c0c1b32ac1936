"""Breaking in on a mind that thinks and speaks at once, at the real server."""

from bench.conversations.interrupted_thought import measure


async def test_each_interruption_is_timed_until_the_server_is_still() -> None:
    assert len(took := await measure(2)) == 2
    assert min(took) > 0
