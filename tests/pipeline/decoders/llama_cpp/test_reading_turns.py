"""When long prompts are read, and whose come last; in a time of their own."""

import asyncio

import pytest

from pipeline.decoders.llama_cpp.reading_turns import LONG, PIECE, REFILL_S, SHORT, ReadingTurns

CAPACITY = 2048


class Turns(ReadingTurns):
    """With a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.there = set[object]()
        super().__init__(CAPACITY, lambda: self.now)

    def ends(self, conversation: object, cached: int, length: int) -> list[int]:
        return [end for end, _ in self.pieces(conversation, cached, length)]

    def read(self, conversation: object, tokens: int, piece_s: float = 0.0) -> float:
        """The seconds that it has to rest while it reads a prompt of so many tokens, `piece_s` for each piece.

        Whoever has read something stays there meanwhile.
        """
        others, rested = self.there - {conversation}, 0.0
        self.there.add(conversation)
        for _, rest_s in self.pieces(conversation, 0, tokens):
            rested += rest_s
            self.now += rest_s + piece_s
            for other in others:
                self.wrote(other, 0)
        return rested


def test_what_is_short_or_known_is_read_at_once() -> None:
    turns = Turns()
    assert turns.ends("a", 0, LONG) == []
    assert turns.ends("a", 1500, 1500 + LONG) == []


def test_a_long_prompt_is_read_in_pieces_the_last_with_its_reply() -> None:
    assert Turns().ends("a", 100, 100 + LONG + 1) == list(range(100 + PIECE, 101 + LONG, PIECE))


def test_a_conversation_that_has_read_a_whole_context_waits_for_each_piece_while_there_are_others() -> None:
    turns = Turns()
    assert turns.read("a", 2 * CAPACITY) == 0, "it is alone"
    assert turns.read("b", CAPACITY) == 0, "another has an allowance of its own"
    assert turns.read("a", 512) == pytest.approx(REFILL_S / 4)
    assert turns.ends("a", 0, 10) == [10], "however little it is"
    turns.now += REFILL_S / 4
    assert turns.ends("a", 0, 100) == []


def test_while_others_are_there_only_what_is_short_is_read_at_once() -> None:
    turns = Turns()
    turns.wrote("b", 1)
    assert turns.ends("a", 100, 100 + SHORT) == []
    assert turns.ends("a", 0, SHORT + PIECE) == [PIECE, 2 * PIECE]
    assert turns.read("a", 200, piece_s=0.2) == 0, "it need not rest"


def test_a_conversation_that_asks_again_and_again_reads_little_at_a_time_and_rests() -> None:
    turns = Turns()
    turns.read("b", 1)
    for _ in range(5):
        turns.read("a", 200, piece_s=0.5)
    assert turns.ends("a", 0, PIECE) == []
    assert turns.ends("a", 0, 2 * PIECE) == [16, 32, 48]
    assert turns.read("a", 2 * PIECE, piece_s=0.2) == pytest.approx(3 * 0.2 * 2)
    assert turns.ends("b", 0, SHORT) == [], "others read as before"


def test_what_is_written_counts_as_what_is_read() -> None:
    turns = Turns()
    turns.read("b", 1)
    turns.wrote("a", CAPACITY)
    assert turns.read("a", PIECE) == pytest.approx(REFILL_S * PIECE / CAPACITY)


def test_however_often_it_asks_it_reads_no_more_in_the_long_run_than_is_refilled() -> None:
    turns, begun = Turns(), 0
    turns.read("b", 1)
    while turns.now < 10 * REFILL_S:
        turns.read("a", 600, piece_s=0.1)
        begun += 600
    assert begun <= CAPACITY * 11 + 600


def test_a_long_prompt_leaves_others_as_much_time_as_it_takes() -> None:
    turns = Turns()
    turns.read("a", 1)
    pieces = len(Turns().ends("b", 0, 1000))
    assert turns.read("b", 1000, piece_s=0.2) == pytest.approx(0.2 * (pieces - 1))
    alone = Turns()
    assert alone.read("a", 1000, piece_s=0.2) == 0


def test_a_conversation_as_people_hold_them_never_rests() -> None:
    turns = Turns()
    assert turns.ends("a", 0, 250) == []
    for turn in range(100):
        turns.now += 5
        turns.read("b", 1)
        assert {rest_s for _, rest_s in turns.pieces("a", 250 + 200 * turn, 450 + 200 * turn)} == {0}
        turns.wrote("a", 50)


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
