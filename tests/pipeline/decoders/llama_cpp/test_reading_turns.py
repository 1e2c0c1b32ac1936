"""When long prompts are read, and whose come last; in a time of their own."""

import asyncio

import pytest

from pipeline.decoders.llama_cpp.reading_turns import LONG, PIECE, ReadingTurns

CAPACITY = 2048


class Turns(ReadingTurns):
    """With a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(CAPACITY, lambda: self.now)

    def ends(self, conversation: object, cached: int, length: int) -> list[int]:
        return [end for end, _ in self.pieces(conversation, cached, length)]

    def rests(self, conversation: object, tokens: int) -> bool:
        [rest_s] = {rest_s for _, rest_s in self.pieces(conversation, 0, tokens)}
        return rest_s > 0


def test_what_is_short_or_known_is_read_at_once() -> None:
    turns = Turns()
    assert turns.ends("a", 0, LONG) == []
    assert turns.ends("a", 1500, 1500 + LONG) == []


def test_a_long_prompt_is_read_in_pieces_the_last_with_its_reply() -> None:
    assert Turns().ends("a", 100, 100 + LONG + 1) == [100 + PIECE * n for n in (1, 2, 3, 4)]


def test_a_conversation_that_has_read_a_whole_context_rests_before_everything_while_there_are_others() -> None:
    turns = Turns()
    assert not turns.rests("a", CAPACITY)
    assert not turns.rests("a", CAPACITY), "it is alone"
    assert not turns.rests("b", CAPACITY), "another has an allowance of its own"
    assert turns.rests("a", CAPACITY)
    assert turns.ends("a", 0, 10) == [10], "however little it is"
    turns.now = 3
    assert turns.ends("a", 0, 100) == []
    turns.now = 60
    assert not turns.rests("a", CAPACITY)


def test_a_conversation_as_people_hold_them_never_waits() -> None:
    turns = Turns()
    assert turns.ends("a", 0, 250) == []
    for turn in range(100):
        turns.now += 5
        assert turns.ends("a", 250 + 200 * turn, 450 + 200 * turn) == []


def test_what_belongs_to_no_conversation_has_no_allowance_to_exhaust() -> None:
    turns = Turns()
    assert [turns.ends(None, 0, 200) for _ in range(50)] == [[]] * 50


@pytest.mark.parametrize("longest_s", [0.0, 3600.0])
async def test_reading_waits_for_the_replies_that_are_written_but_not_for_ever(longest_s: float) -> None:
    turns = Turns()
    await turns.wait(0, 3600)
    with turns.reply(), turns.reply():
        waiting = asyncio.create_task(turns.wait(0, longest_s))
        if longest_s:
            await asyncio.sleep(0)
            assert not waiting.done()
        else:
            await waiting
    await waiting
