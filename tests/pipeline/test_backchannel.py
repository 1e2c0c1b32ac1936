import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backchannel import HUMS, beyond, breaks_in, hums_unlike
from pipeline.settings import TurnSettings

PHRASES = TurnSettings().backchannels


@pytest.mark.parametrize(
    "text",
    [
        *("", "...", "Mm-hmm.", "Mhm", "Mmm", "Hmm.", "Uh-huh.", "Ah.", "Aha", "Oh, wow!", "Hm, hm."),
        *("Yeah.", "Yeah, yeah, yeah.", "Right, okay.", "I see.", "Oh, of course.", "Got it, all right.", "No way!"),
        *("That's great.", "That's so true.", "Please go on.", "Uh huh.", "Huh.", "Haha!"),
    ],
)
def test_these_let_the_agent_go_on(text: str) -> None:
    assert not beyond(text, going_on=False, backchannels=PHRASES)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Stop.",
            "No.",
            "Wait a moment.",
            "Hang on.",
            "Yes, but why?",
            "What?",
            "I think so",
            "Oh no.",
            "Okay, next.",
        ),
        *("Right after that?", "Human", "Hammer", "Go on to the next one."),
    ],
)
def test_these_take_the_floor(text: str) -> None:
    assert beyond(text, going_on=False, backchannels=PHRASES)


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("Stop", False),
        ("Hang on", False),
        ("Hang on, I", True),
        ("No, wait a", True),
        ("Yeah yeah sto", False),
        ("Right, okay, go", False),
    ],
)
def test_of_speech_that_goes_on_the_last_word_and_a_chance_do_not_count(text: str, takes: bool) -> None:
    assert bool(beyond(text, going_on=True, backchannels=PHRASES)) is takes


@given(st.lists(st.sampled_from(PHRASES), max_size=5), st.sampled_from([", ", " ", "... "]))
def test_backchannels_in_a_row_are_one(phrases: list[str], between: str) -> None:
    assert not beyond(between.join(phrases).capitalize(), going_on=False, backchannels=PHRASES)


def test_other_languages_have_their_own() -> None:
    assert beyond("Genau.", going_on=False, backchannels=PHRASES)
    assert not beyond("Ja, genau.", going_on=False, backchannels=("ja", "genau"))


@pytest.mark.parametrize(
    ("text", "breaks"),
    [
        *(("Stop, stop, please.", True), ("What?", True), ("Hang on, I have a question.", True)),
        *(("Okay, stop.", True), ("Yeah, but what about Mars?", True), ("Mm, no.", True), ("That's enough.", True)),
        *(("Nobody knows.", False), ("Scan them home.", False), ("", False), ("I said stop.", False)),
    ],
)
def test_some_words_are_said_to_break_in_only(text: str, breaks: bool) -> None:
    words = beyond(text, False, PHRASES)
    assert breaks_in(words, TurnSettings().interruptions) is breaks
    assert not breaks_in(words, ())


def test_a_hum_that_words_begin_with_is_no_rival_of_theirs() -> None:
    assert set(HUMS) - set(hums_unlike("Okay, I think so.")) == {"Okay."}
    assert set(HUMS) - set(hums_unlike("Mm-hmm, I think so.")) == {"Mm-hmm."}
    assert hums_unlike("I think so.") == list(HUMS)
