"""Where an answer is cut into clauses, and what of its markup is left."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tts.clauses import LONGEST, ClauseSplitter
from tts.synthesizer import Clause


def split(*pieces: str) -> list[Clause]:
    splitter = ClauseSplitter()
    clauses = [clause for piece in pieces for clause in splitter.push(piece)]
    return clauses + splitter.flush()


def written(clauses: list[Clause]) -> str:
    return " ".join(clause.written for clause in clauses)


CLAUSES = {
    # the first clause is short, later ones are longer
    "Well, the sky is blue, and the sea is blue, too.": ["Well, the sky is blue,", "and the sea is blue, too."],
    "As you know, it rains a lot in spring, so take a coat.": [
        "As you know,",
        "it rains a lot in spring, so take a coat.",
    ],
    "Here is one idea: walk.": ["Here is one idea:", "walk."],
    "I think so; do you?": ["I think so;", "do you?"],
    "I think — no, I know.": ["I think — no,", "I know."],
    "It is cold - very cold.": ["It is cold -", "very cold."],
    # sentences
    "Hello! How are you today? I am fine.": ["Hello! How are you today?", "I am fine."],
    "It is so. Yes. It really is.": ["It is so.", "Yes. It really is."],
    "Who is there?! Nobody at all.": ["Who is there?!", "Nobody at all."],
    'He said "Stop right there!" and left.': ['He said "Stop right there!"', "and left."],
    "It works (at least here.) So be it.": ["It works (at least here.)", "So be it."],
    "I am not sure... maybe it is.": ["I am not sure...", "maybe it is."],
    "Wait for it… maybe it is.": ["Wait for it…", "maybe it is."],
    # points that end no sentence
    "I saw Dr. Smith and Mr. Jones there.": ["I saw Dr. Smith and Mr. Jones there."],
    "Take some fruit e.g. an apple.": ["Take some fruit e.g. an apple."],
    "That costs about 3.14 dollars or 1,000 yen.": ["That costs about 3.14 dollars or 1,000 yen."],
    "We met at 10:30 in town.": ["We met at 10:30 in town."],
    "It opens at 10 a.m. every day.": ["It opens at 10 a.m. every day."],
    "It opens at 10 a.m. Every day it does.": ["It opens at 10 a.m.", "Every day it does."],
    "She lives in the U.S. with me.": ["She lives in the U.S. with me."],
    "She lives in the U.S. He does not.": ["She lives in the U.S.", "He does not."],
    "I read J. K. Rowling and C. S. Lewis.": ["I read J. K. Rowling and C. S. Lewis."],
    "You need vitamin C. It helps you.": ["You need vitamin C.", "It helps you."],
    "They sell apples, pears, etc. in town.": ["They sell apples,", "pears, etc. in town."],
    "We live in No. 5 of this street.": ["We live in No. 5 of this street."],
    "The answer is no. I am sorry.": ["The answer is no.", "I am sorry."],
    "It was on March 5, 2024, in Rome.": ["It was on March 5, 2024,", "in Rome."],
    "It was on March 5, in Rome.": ["It was on March 5,", "in Rome."],
    "Go to St. Louis or Main St. now.": ["Go to St. Louis or Main St. now."],
    "Version 2.0.1 of config.toml is out.": ["Version 2.0.1 of config.toml is out."],
    # lines
    "You need:\n- flour\n- two eggs\n\nMix them.": ["You need:", "flour", "two eggs", "Mix them."],
    "* one\n+ two\n• three": ["one", "two", "three"],
    "1. Mix\n2) Bake": ["1. Mix", "2) Bake"],
    "- [x] done\n- [ ] open": ["done", "open"],
    "# A heading\nText.": ["A heading", "Text."],
    "> quoted words\n>more": ["quoted words", "more"],
    "One\n---\ntwo": ["One", "two"],
    "Yes!\nOf course.": ["Yes!", "Of course."],
    # markup inside a line
    "This is **very important**, _really_.": ["This is very important,", "really."],
    "***All*** of ~~it~~ **this.**": ["All of it this."],
    "un**believ**able": ["unbelievable"],
    "Type `git commit -m` now.": ["Type git commit -m now."],
    "See [the old manual](https://x.org/a_(b)) now.": ["See the old manual now."],
    "A ![picture of it](a.png) here.": ["A picture of it here."],
    "This is [sic] so.": ["This is [sic] so."],
    "As said[^1] <b>before</b> &amp; after.": ["As said before & after."],
    "Use snake_case, 2*3 and 2**3 here.": ["Use snake_case, 2*3 and 2**3 here."],
    r"A \*star\* here.": ["A *star* here."],
    "| Name | Age |\n|---|:-:|\n| Bob | 5 |": ["Name Age", "Bob 5"],
    "```x = 1``` is code.": ["x = 1 is code."],
    "Run this:\n```python\nx = 1\n```\nDone.": ["Run this:", "x = 1", "Done."],
    # what is not speech at all
    "": [],
    " \n\n ": [],
    "😀": ["😀"],
}


@pytest.mark.parametrize("text", CLAUSES)
def test_is_cut_into(text: str) -> None:
    assert [clause.written for clause in split(text)] == CLAUSES[text]


SPOKEN = {
    "Sure, it costs $5.50, or 5 €.": ["Sure, it costs five dollars and fifty cents,", "or five euros."],
    "You need:\n1. two eggs\n2. milk\n": ["You need:", "one, two eggs.", "two, milk."],
    "| Name | Age |\n|---|---|\n| Bob | 5 |\n": ["Name, Age.", "Bob, five."],
    "Run this:\n```\nx = 1\n```\nAll done 😀 now.": ["Run this:", "", "All done now."],
    "This is it: https://x.org/a?b=c": ["This is it:", "x dot org"],
    "**Note:** see [it](http://x.org).": ["Note: see it."],
    # Markdown
    "## The plan\nGo **home**.": ["The plan.", "Go home."],
    "> As *she* said.": ["As she said."],
    "~~Old~~ new ***things*** here.": ["Old new things here."],
    "---\nAfter the line.": ["After the line."],
    "See <https://x.org/a> for it.": ["See x dot org for it."],
    "![A cat](cat.png) sleeps here.": ["A cat sleeps here."],
    "Water is H<sub>2</sub>O &amp; more.": ["Water is H two O and more."],
    "It is said so[^2] everywhere.": ["It is said so everywhere."],
    # code
    "Call `print(x)` for it.": ["Call print x for it."],
    "~~~\nrm -rf /\n~~~\nThat was it.": ["", "That was it."],
    # lists
    "- 5 km\n- 10 km": ["five kilometers.", "ten kilometers"],
    "10. Rest\n11. Eat well": ["ten, Rest.", "eleven, Eat well"],
    "* [ ] call Dr. Lee\n* [x] pay $5": ["call Doctor Lee.", "pay five dollars"],
    # emoji
    "Well done 🎉🎉! Go on 👉 there.": ["Well done! Go on there."],
    "🚀 Ready to go?": ["Ready to go?"],
}


@pytest.mark.parametrize("text", SPOKEN)
def test_is_spoken_as(text: str) -> None:
    assert [clause.spoken for clause in split(text)] == SPOKEN[text]


@pytest.mark.parametrize(
    ("heard_so_far", "clause"),
    [
        ("As you know, ", "As you know,"),
        ("That is it. ", "That is it."),
        ("That is it!\n", "That is it!"),
        ("one\n", "one"),
        ("It opens at 10 a.m. E", "It opens at 10 a.m."),
        ("The answer is no. I", "The answer is no."),
        ("It was on March 5, i", "It was on March 5,"),
        ("See [the old manual](https://x.org), ", "See the old manual,"),
    ],
)
def test_waits_for_no_more_than_it_needs(heard_so_far: str, clause: str) -> None:
    splitter = ClauseSplitter()
    assert splitter.push(heard_so_far[:-1]) == []
    assert [ready.written for ready in splitter.push(heard_so_far[-1])] == [clause]


def test_the_stop_is_the_mark_that_closes_the_clause() -> None:
    text = 'As you know, it is so: "Really?" he asked… It is! - well then\n- an item\nno mark'
    assert [clause.stop for clause in split(text)] == [",", "?", "!", ".", ".", ""]


def test_text_without_marks_is_cut_at_a_limit() -> None:
    first, second = split("word " * (LONGEST + 5))
    assert (len(first.words), len(second.words), first.stop) == (LONGEST, 5, "")
    assert all(len(clause.words) <= 2 * LONGEST for clause in split("7 " * 500))


markdown = st.text(alphabet=st.sampled_from("abcIV 1.,!?:;-—\n*_`#[]()|>~&$%\"'😀"), max_size=120)
prose = st.text(alphabet=st.sampled_from("abc ABC 123 .,!?:; \n(\"'é"), max_size=120)


@given(text=markdown, data=st.data())
@example(text="See [the manual](http://x.org), **now**.", data=None)
def test_cuts_of_the_stream_change_nothing(text: str, data: st.DataObject | None) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text))))) if data else range(len(text))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*pieces) == split(text)


@given(prose)
def test_nothing_of_plain_prose_is_lost(text: str) -> None:
    assert written(split(text)) == " ".join(text.split())


ATOMS = st.sampled_from(
    [
        *[(word, word) for word in ("it", "was", "Rome", "never", "well-known", "don't", "Zoë")],
        *[("42", "forty-two"), ("$5.50", "five dollars and fifty cents"), ("5 km", "five kilometers"), ("😀", "")],
        *[
            ("March 5, 2024", "March fifth, twenty twenty-four"),
            ("10:30 a.m.", "ten thirty AM"),
            ("3/4", "three quarters"),
        ],
        *[
            ("Dr. Smith", "Doctor Smith"),
            ("e.g.", "for example"),
            ("AT&T", "AT and T"),
            ("2.0.1", "two point zero point one"),
        ],
        *[("**bold**", "bold"), ("`a b`", "a b"), ("[the page](http://x.org/a)", "the page"), ("_so_", "so")],
        *[
            ("https://x.org/a?b", "x dot org"),
            ("ann@x.org", "ann at x dot org"),
            ("555-1234", "five five five, one two three four"),
        ],
        *[
            ("Henry VIII", "Henry the eighth"),
            ("25°C", "twenty-five degrees Celsius"),
            ("the 1990s", "the nineteen nineties"),
        ],
    ]
)
MARKS_BETWEEN = st.sampled_from(["", "", "", ",", ";", "!", "?"])


@given(st.lists(st.tuples(ATOMS, MARKS_BETWEEN), min_size=1, max_size=20), st.data())
def test_what_reaches_the_synthesizer_means_the_same_in_order_and_whole(
    atoms: list[tuple[tuple[str, str], str]], data: st.DataObject
) -> None:
    # A word between them: "Henry VIII 42" may be understood in more than one way, also by people.
    text = " and ".join(f"{written}{mark}" for (written, _), mark in atoms)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    clauses = split(*(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)))
    spoken = " ".join(clause.spoken for clause in clauses)
    meant = " and ".join(said for (_, said), _ in atoms)
    assert re.findall(r"[^\W_]+", spoken) == re.findall(r"[^\W_]+", meant)


@given(markdown.map(lambda text: text.replace("&", "")))  # an entity stands for what is not there
def test_nothing_is_added_or_reordered(text: str) -> None:
    remaining = iter(text)
    assert all(character in remaining for character in written(split(text)) if not character.isspace())


@given(st.text())
def test_any_text_can_be_split(text: str) -> None:
    for clause in split(text):
        assert clause.words
        assert not any(character in clause.spoken for character in "*_`#|[]")
