"""Splitting of an answer into clauses, and removal of its markup."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tts.frontend.clauses import HELD, LONGEST, LONGEST_WORD, ClauseSplitter
from tts.synthesizer import Clause


def split(*pieces: str) -> list[Clause]:
    splitter = ClauseSplitter()
    clauses = [clause for piece in pieces for clause in splitter.push(piece)]
    return clauses + splitter.flush()


def written(clauses: list[Clause]) -> str:
    return " ".join(clause.written for clause in clauses)


CLAUSES = {
    "The shop is open 9 AM – 5 PM, Monday – Friday.": ["The shop is open 9 AM – 5 PM,", "Monday – Friday."],
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
    # full stops that do not end a sentence
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
    # an abbreviation does not end the sentence before a number or a word in lower case
    "It happened on Dec. 7, 1941 in Hawaii.": ["It happened on Dec. 7, 1941 in Hawaii."],
    "It was so on Sept. 5 and Jan. 3 too.": ["It was so on Sept. 5 and Jan. 3 too."],
    "It was cold in Dec. We left.": ["It was cold in Dec.", "We left."],
    "It was cold in Dec. and in Jan. too.": ["It was cold in Dec. and in Jan. too."],
    "It may be so, if we may. We left.": ["It may be so,", "if we may.", "We left."],
    "Read in Vol. 3 and Vol. II of it.": ["Read in Vol. 3 and Vol. II of it."],
    "Look at Sec. 3, pp. 3-5 and p. 45.": ["Look at Sec. 3,", "pp. 3-5 and p. 45."],
    "Look here at Fig. 2 and Eq. 5 now.": ["Look here at Fig. 2 and Eq. 5 now."],
    "They sell fruit (pears, etc.). They rest.": ["They sell fruit (pears,", "etc.). They rest."],
    "They sell fruit (or pears etc.). They rest.": ["They sell fruit (or pears etc.).", "They rest."],
    "As found by Lee et al. in town.": ["As found by Lee et al. in town."],
    "Add 1 tsp. salt and 8 oz. cream cheese.": ["Add 1 tsp. salt and 8 oz. cream cheese."],
    "It weighs just 5 lbs. We took it.": ["It weighs just 5 lbs.", "We took it."],
    "It is 6 in. wide and flat.": ["It is 6 in. wide and flat."],
    "Please do come in. we are glad.": ["Please do come in.", "we are glad."],
    "It was seen in Dec., not before that.": ["It was seen in Dec.,", "not before that."],
    "We talk at 10:30 a.m. ET on Monday.": ["We talk at 10:30 a.m. ET on Monday."],
    "We talk at 9 P.M. Eastern time now.": ["We talk at 9 P.M. Eastern time now."],
    "We talk at 9 p.m. Monday in town.": ["We talk at 9 p.m. Monday in town."],
    "We talk at 9 p.m. Paul knows it.": ["We talk at 9 p.m.", "Paul knows it."],
    "She comes on Mon. Dec. 7 at noon.": ["She comes on Mon. Dec. 7 at noon."],
    "Members of the U.S. Senate met there.": ["Members of the U.S. Senate met there."],
    "He lives on Baker St. Then he moved.": ["He lives on Baker St.", "Then he moved."],
    "He lives near Mount St. Helens, I think.": ["He lives near Mount St. Helens,", "I think."],
    "It is on Mulholland Dr. The house is old.": ["It is on Mulholland Dr.", "The house is old."],
    "It was Roe v. Wade in Jan. 1973.": ["It was Roe v. Wade in Jan. 1973."],
    # initials, and single letters that are not
    "He met J. R. R. Tolkien and George W. Bush.": ["He met J. R. R. Tolkien and George W. Bush."],
    "A book by J. A. Smith is here.": ["A book by J. A. Smith is here."],
    "She got an A. He got a B. Good.": ["She got an A.", "He got a B.", "Good."],
    "It goes from here to B. Then it stops.": ["It goes from here to B.", "Then it stops."],
    "Do you want option A. Option B. Both.": ["Do you want option A.", "Option B. Both."],
    "They sell pears and such, etc. Then they rest.": ["They sell pears and such,", "etc. Then they rest."],
    # sentences without a space between them
    "It ended.Then we left.": ["It ended. Then we left."],
    "The film has ended.Then we left it.": ["The film has ended.", "Then we left it."],
    "Is that really so?Yes! I do know.": ["Is that really so?", "Yes! I do know."],
    "We all went to Rome.Then we came back.": ["We all went to Rome.", "Then we came back."],
    "It was so in 1999.After that it was not.": ["It was so in 1999.", "After that it was not."],
    'He told me "stop."Then he left us.': ['He told me "stop."', "Then he left us."],
    "That is all of it.I'm sure you know.": ["That is all of it.", "I'm sure you know."],
    "Please wait for me!What is it now?": ["Please wait for me!", "What is it now?"],
    "It works well enough.Paris is far.": ["It works well enough.", "Paris is far."],
    # dots inside names
    "Open index.html or Node.js, System.Text and Console.WriteLine.": [
        "Open index.html or Node.js,",
        "System.Text and Console.WriteLine.",
    ],
    "Go to https://x.org/It.Then now.": ["Go to https://x.org/It.Then now."],
    "Call `it.Then` or read U.S.Army now.": ["Call it.Then or read U.S.Army now."],
    # lines
    "You need:\n- flour\n- two eggs\n\nMix them.": ["You need:", "flour", "two eggs", "Mix them."],
    "* one\n+ two\n• three": ["one", "two", "three"],
    "1. Mix\n2) Bake": ["1. Mix", "2) Bake"],
    "- [x] done\n- [ ] open": ["done", "open"],
    "# A heading\nText.": ["A heading", "Text."],
    "> quoted words\n>more": ["quoted words", "more"],
    "One\n---\ntwo": ["One", "two"],
    "Yes!\nOf course.": ["Yes!", "Of course."],
    # a paragraph that is wrapped
    "The cat sat on the\nmat for a while.": ["The cat sat on the mat for a while."],
    "The cat sat on the\n  mat.\n\nIt slept there.": ["The cat sat on the mat.", "It slept there."],
    "In the year 1990 I went for a while to see\nParis in spring.": [
        "In the year 1990 I went for a while to see Paris in spring."
    ],
    "Shall I compare thee to this\nThou art more lovely": ["Shall I compare thee to this", "Thou art more lovely"],
    "roses are red\nviolets are blue": ["roses are red", "violets are blue"],
    "## What to do with it\nfirst of all, rest.": ["What to do with it", "first of all, rest."],
    "- take two of the eggs\n- mix": ["take two of the eggs", "mix"],
    "| it is a row |\nand text": ["it is a row", "and text"],
    "It is four words long\n\nand this is not": ["It is four words long", "and this is not"],
    # markup inside a line
    "This is **very important**, _really_.": ["This is very important,", "really."],
    "***All*** of ~~it~~ **this.**": ["All of it this."],
    "un**believ**able": ["unbelievable"],
    "Type `git commit -m` now.": ["Type git commit -m now."],
    "See [the old manual](https://x.org/a_(b)) now.": ["See the old manual now."],
    "A ![picture of it](a.png) here.": ["A picture of it here."],
    "This is [sic] so.": ["This is [sic] so."],
    "This is <!-- a comment. Really! --> so.": ["This is so."],
    "<!-- one\nor two -->\n- three": ["three"],
    f"This is <!-- {'so ' * 100} --> so.": ["This is so."],
    "So <!-- it stays": ["So <!-- it stays"],
    "`<!-- x -->` is one.": ["<!-- x --> is one."],
    "As said[^1] <b>before</b> &amp; after.": ["As said before & after."],
    "Use snake_case, 2*3 and 2**3 here.": ["Use snake_case, 2*3 and 2**3 here."],
    r"A \*star\* here.": ["A *star* here."],
    r"Look in C:\temp\times now.": [r"Look in C:\temp\times now."],
    "| Name | Age |\n|---|:-:|\n| Bob | 5 |": ["Name Age", "Bob 5"],
    "```x = 1``` is code.": ["x = 1 is code."],
    "Run this:\n```python\nx = 1\n```\nDone.": ["Run this:", "x = 1", "Done."],
    # nothing to say
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
    # formulas
    "This is $E = mc^2$, and $x = 5$.": ["This is E equals mc squared,", "and x equals five."],
    "So\n$$\nE = mc^2\n$$\nholds.": ["So.", "E equals mc squared.", "holds."],
    "So:\n\\[\na + b \\leq c\n\\]\nGood.": ["So:", "a plus b at most c.", "Good."],
    r"It is \(x \neq 3\), I think.": ["It is x is not three,", "I think."],
    r"It is \frac{a}{b} or $\frac{1}{2}$.": ["It is a over b or one half."],
    r"It is $\frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$.": [
        "It is minus b plus or minus the square root of b squared minus four ac over two a."
    ],
    r"Here $\sqrt{2} \approx 1.4$ and $\theta_{i} \times \pi$.": [
        "Here the square root of two about one point four and theta i times pi."
    ],
    r"Take $\text{distance} = v \cdot t$ as $90^\circ$.": ["Take distance equals v times t as ninety degrees."],
    r"Take $\left( x + 1 \right)^3$ and $2^{n}$.": ["Take x plus one cubed and two to the power of n."],
    "We see $2 + 2 = 4$ and $5x - 3$.": ["We see two plus two equals four and five x minus three."],
    # prices, and dollar signs that do not open a formula
    "It costs between $5 and $10 now.": ["It costs between five dollars and ten dollars now."],
    "It costs $5 - not more than $6 million.": ["It costs five dollars, not more than six million dollars."],
    r"It costs \$5 or \$6 now.": ["It costs five dollars or six dollars now."],
    "It is $5k, $20-30, or US$5.": [
        "It is five thousand dollars,",
        "twenty to thirty dollars, or five US dollars.",
    ],
    # a letter or a short form that ends a sentence too short for a clause of its own
    "Option A. Option B. Both.": ["Option A. Option B.", "Both."],
    "Salt, etc. Then mix.": ["Salt, et cetera, Then mix."],
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
        ("It opens at 10 a.m. H", "It opens at 10 a.m."),
        ("It opens at 10 a.m. Ev", "It opens at 10 a.m."),
        ("The answer is no. I", "The answer is no."),
        ("It was cold in Dec. W", "It was cold in Dec."),
        ("It weighs just 5 lbs. W", "It weighs just 5 lbs."),
        ("He lives on Baker St. Then ", "He lives on Baker St."),
        ("She got an A. ", "She got an A."),
        ("It is a line\nT", "It is a line"),
        ("It costs $5, ", "It costs $5,"),
        ("Here is $x = 5$, ", "Here is x = 5,"),
        ("It was on March 5, i", "It was on March 5,"),
        ("See [the old manual](https://x.org), ", "See the old manual,"),
    ],
)
def test_a_clause_is_ready_as_soon_as_it_is_certain(heard_so_far: str, clause: str) -> None:
    splitter = ClauseSplitter()
    assert splitter.push(heard_so_far[:-1]) == []
    assert [ready.written for ready in splitter.push(heard_so_far[-1])] == [clause]


@pytest.mark.parametrize(
    ("tokens", "clause"),
    [
        ("The| capital| of| France| is", "The capital of France"),
        ("The| square| root| of| |1|4|4| is", "The square root of 144"),
        ("A| k|ilo| of| feathers| is", "A kilo of feathers"),
        ("The| train| leaves| at", "The train leaves"),
        ("It| snows| often| because", "It snows often"),
        ("Most| shops| open| around", "Most shops open"),
        ("Dolphins| are| marine| mammals| known", "Dolphins are marine mammals"),
        ("Yes|,", "Yes,"),
        ("Of| course|!", "Of course!"),
        ("I|'m| sorry|,", "I'm sorry,"),
        ("Paris|,| I| can| see| you|.", "Paris, I can see you."),
        ("To| boil| an| egg|,", "To boil an egg,"),
        ("7| +| 13| =", "7 + 13"),
        ("81| -| 13| *| 5| equals", "81 - 13 * 5"),
        ("81| -| 65| =", "81 - 65"),
        ("Is| it| so|?", "Is it so?"),
    ],
)
def test_a_clause_is_ready_early_at_a_mark_and_where_a_phrase_ends(tokens: str, clause: str) -> None:
    *before, last = tokens.split("|")
    splitter = ClauseSplitter()
    assert [splitter.push(token) or splitter.early() for token in before] == [[] for _ in before]
    assert splitter.push(last) == []
    assert [ready.written for ready in splitter.early()] == [clause]


def test_the_rest_of_a_sentence_that_was_begun_early_may_be_short() -> None:
    splitter, clauses = ClauseSplitter(), list[Clause]()
    for token in ("7", " +", " 13", " =", " 20", ". So"):
        clauses += splitter.push(token) or splitter.early()
    assert [clause.written for clause in clauses] == ["7 + 13", "= 20."]
    assert [clause.written for clause in split("It is. So")] == ["It is. So"]


@pytest.mark.parametrize(
    "tokens",
    [
        "Paris|,",  # too short
        "Then|,| it| is",  # a pronoun and its verb
        "It| weighs| about| |5| in",  # inches, perhaps
        "He| said| about| |1|,",  # a thousand, perhaps
        "You| need| one| hundred| and",
        "The| sun| is| made",
        "The| play| is| Romeo| and",
        "It| was| in| the| U|.|S|.",
        "We| all| know| Dr|.",
        'He| said| "|this| road|,',  # the quotation mark follows
        "See| [|the| long| manual| in",
        "It| is| part| of| the| in",  # begins "inside"
        "It| is| |3|.",
        "20| apples| -| 5| apples| =",  # the dash may be a pause
    ],
)
def test_no_clause_is_ready_early_where_the_words_belong_together(tokens: str) -> None:
    splitter = ClauseSplitter()
    assert [splitter.push(token) or splitter.early() for token in tokens.split("|")] == [[] for _ in tokens.split("|")]


TOKENS = ("the cat", " is", ",", ".", " 1", ",000", ' "a', '"', "\n", " and", " Dr", "?", " on")


@given(st.lists(st.sampled_from(TOKENS)))
def test_early_clauses_lose_nothing(tokens: list[str]) -> None:
    splitter, clauses = ClauseSplitter(), []
    for token in tokens:
        clauses += splitter.push(token) or splitter.early()
    early = written([*clauses, *splitter.flush()])
    assert early.replace(" ", "") == written(split("".join(tokens))).replace(" ", "")


def test_the_stop_is_the_mark_that_closes_the_clause() -> None:
    text = 'As you know, it is so: "Really?" he asked… It is! - well then\n- an item\nno mark'
    assert [clause.stop for clause in split(text)] == [",", "?", "!", ".", ".", ""]


def test_text_without_marks_is_cut_at_a_limit() -> None:
    first, second = split("word " * (LONGEST + 5))
    assert (len(first.words), len(second.words), first.stop) == (LONGEST, 5, "")
    assert all(len(clause.words) <= 2 * LONGEST for clause in split("7 " * 500))


def test_a_word_without_end_is_cut_at_a_limit() -> None:
    for word in ("a" * 1600, "ha-" * 500, "8" * 400):
        clauses = split(f"It is {word}! Well done.")
        assert re.sub(r"\W", "", written(clauses)) == f"Itis{word}Welldone".replace("-", "")
        assert max(len(clause.written) for clause in clauses) <= 2 * LONGEST_WORD
    splitter = ClauseSplitter()
    assert splitter.push("a" * HELD)


@pytest.mark.parametrize(
    "word", ["pneumonoultramicroscopicsilicovolcanoconiosis", "https://example.com/" + "path/" * 50]
)
def test_a_word_that_is_soon_said_stays_whole(word: str) -> None:
    assert len(split(f"It is {word} here.")) == 1


def test_a_formula_that_never_ends_holds_up_little() -> None:
    for opening in ("$x", "$$", "\\[", "<!--"):
        assert ClauseSplitter().push(opening + " is so" * HELD)


markdown = st.text(alphabet=st.sampled_from("abcIV 1.,!?:;-—\n*_`#[]()|<>~&$%\"'😀\\{}^"), max_size=120)
prose = st.text(alphabet=st.sampled_from("abc ABC 123 .,!?:; \n(\"'é"), max_size=120)


@given(text=markdown, data=st.data())
@example(text="See [the manual](http://x.org), **now**.", data=None)
@example(text=r"So $$\frac{a}{b}$$ is $x = 5$, \(\sqrt{2}\) <!-- and --> $5.", data=None)
def test_cuts_of_the_stream_change_nothing(text: str, data: st.DataObject | None) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text))))) if data else range(len(text))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(*pieces) == split(text)


@given(prose.filter(lambda text: all(len(word) <= LONGEST_WORD for word in text.split())))
def test_nothing_of_plain_prose_is_lost(text: str) -> None:
    # Sentences without a space between them get one: "ended.Then".
    assert re.sub(r"(?<=[.!?\"])\s", "", written(split(text))) == re.sub(r"(?<=[.!?\"])\s", "", " ".join(text.split()))


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
    # The word between them keeps combinations unambiguous: "Henry VIII 42" is not, even for people.
    text = " and ".join(f"{written}{mark}" for (written, _), mark in atoms)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    clauses = split(*(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)))
    spoken = " ".join(clause.spoken for clause in clauses)
    meant = " and ".join(said for (_, said), _ in atoms)
    assert re.findall(r"[^\W_]+", spoken) == re.findall(r"[^\W_]+", meant)


@given(markdown.map(lambda text: text.replace("&", "")))  # an entity stands for another character
def test_nothing_is_added_or_reordered(text: str) -> None:
    remaining = iter(text)
    # In a formula "-" is a minus sign, and "5x" a product.
    kept = written(split(text)).replace("−", "-").replace("\u2062", "")
    assert all(character in remaining for character in kept if not character.isspace())


@given(st.text())
def test_any_text_can_be_split(text: str) -> None:
    for clause in split(text):
        assert clause.words
        assert not any(character in clause.spoken for character in "*_`#|[]")
