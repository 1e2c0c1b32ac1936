"""What is said over the agent's voice, as recognizers write it, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.listening.endpointing import phrases
from pipeline.listening.wording.backchannels import (
    Meaning,
    OverheardWords,
    Phrases,
    asks_for_silence,
    is_asking,
    meaning,
)
from pipeline.settings import TurnSettings

PHRASES = phrases(TurnSettings())
SURE = -0.2
UNSURE = -0.7


def means(
    text: str, logprob: float = SURE, *, going_on: bool = False, doubted: bool = False, said: str = ""
) -> Meaning:
    return meaning(OverheardWords(text, logprob, doubted, going_on), PHRASES, said)


@pytest.mark.parametrize("logprob", [SURE, UNSURE])
@pytest.mark.parametrize(
    "text",
    [
        *("Mm-hmm.", "Mhm", "Mmm", "Hmm.", "Uh-huh.", "Ah.", "Aha", "Oh, wow!", "Hm, hm."),
        *("Yeah.", "Yeah, yeah, yeah.", "Right, okay.", "I see.", "Oh, of course.", "Got it, all right.", "No way!"),
        *("That's great.", "That's so true.", "Please go on.", "Uh huh.", "Huh.", "Haha!"),
        *("Thank you.", "Nice one.", "No wonder.", "Oh, I see.", "How interesting.", "Good to know.", "Fair point."),
        *("What a story.", "Not bad.", "Oh dear.", "That was so funny.", "Please don't stop.", "Really?"),
    ],
)
def test_these_let_the_agent_go_on(text: str, logprob: float) -> None:
    assert means(text, logprob) is Meaning.BACKCHANNEL


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
        *("Right after that?", "Human", "Hammer", "Go on to the next one.", "No, thank you.", "How good is it?"),
        *("Apartment three B.", "The blue one.", "Tomorrow morning.", "Springfield."),
    ],
)
def test_these_take_the_floor(text: str) -> None:
    assert means(text) is Meaning.TURN


@pytest.mark.parametrize(
    "text",
    [
        *("Stop.", "Um, can you please stop?", "Alright, alright, stop.", "Hmm, stop.", "him stop", "Wait, stop!"),
        *("Hemstop.", "Hemstopper", "Mmwait."),
        *("I'll write or write stop.", "Okay, okay, that's enough.", "Yeah, yeah, hold on", "I'm no wait."),
    ],
)
@pytest.mark.parametrize("doubted", [False, True])
def test_a_stop_anywhere_in_a_short_utterance_stops(text: str, doubted: bool) -> None:
    assert means(text, UNSURE, doubted=doubted) is Meaning.TURN


def test_in_a_long_one_it_is_only_a_word() -> None:
    text = "And that is the very last place where the night bus to the airport has its stop"
    assert means(text, UNSURE) is Meaning.ASIDE


@pytest.mark.parametrize(
    ("text", "logprob", "found"),
    [
        ("2", -0.8, Meaning.ASIDE),
        ("At home.", -0.91, Meaning.NOTHING),  # an "uh-huh"
        ("Skin them home", -1.15, Meaning.NOTHING),
        ("Stop", -1.2, Meaning.TURN),
        ("", 0.0, Meaning.NOTHING),
    ],
)
def test_what_is_not_certain_is_kept_or_was_a_hum(text: str, logprob: float, found: Meaning) -> None:
    assert means(text, logprob) is found


def test_words_that_nobody_may_have_said_mean_nothing() -> None:
    assert means("Thank you.", doubted=True) is Meaning.NOTHING


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
    assert (means(text, going_on=True) is Meaning.TURN) is takes


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("It is sunny. Would you like to hear more?", Meaning.TURN),
        ("Would you like to hear more? It rains tomorrow.", Meaning.BACKCHANNEL),
        ("Do you know why?", Meaning.BACKCHANNEL),
        ("The moon goes around the", Meaning.BACKCHANNEL),
    ],
)
def test_a_yes_answers_a_question_and_else_encourages(said: str, found: Meaning) -> None:
    assert means("Yes.", said=said) is found
    assert means("Mm-hmm.", said=said) is Meaning.BACKCHANNEL
    assert is_asking(said) is (found is Meaning.TURN)


@given(
    st.lists(st.sampled_from(sorted(PHRASES.backchannels)), min_size=1, max_size=5),
    st.sampled_from([", ", " ", "... "]),
)
def test_backchannels_in_a_row_are_one(said: list[str], between: str) -> None:
    assert means(between.join(said).capitalize()) is Meaning.BACKCHANNEL


def test_other_languages_have_their_own() -> None:
    german = Phrases(("ja", "genau"), ("warum",), ("halt",))
    assert means("Genau.") is Meaning.TURN
    assert meaning(OverheardWords("Ja, genau.", SURE), german) is Meaning.BACKCHANNEL
    assert meaning(OverheardWords("Ja, halt.", UNSURE), german) is Meaning.TURN


@pytest.mark.parametrize(
    ("text", "silence"),
    [
        *(
            ("Stop.", True),
            ("Hemstopper", True),
            ("Wait, stop!", True),
            ("Um, can you please stop?", True),
            ("That's enough.", True),
        ),
        *(
            ("Alright, alright, stop.", True),
            ("I'll write or write stop.", True),
            ("Okay, thanks, be quiet now.", True),
        ),
        *(("Hold on a second.", True), ("Could you stop talking now?", True), ("", False), ("Yes.", False)),
        *(("Stop, what is the capital of France?", False), ("Wait, I meant Boston.", False), ("Don't stop.", False)),
        *(("When does the bus stop?", False), ("No, wait, make it two.", False), ("Enough about me.", False)),
    ],
)
def test_who_asks_for_silence_only(text: str, silence: bool) -> None:
    assert asks_for_silence(text, PHRASES) is silence
