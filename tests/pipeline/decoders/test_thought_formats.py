"""No thought and no tag is ever taken for words, however the text comes; each family is written as it writes itself."""

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoders.decoder import Text, Thought, Token
from pipeline.decoders.thought_formats import (
    DEEPSEEK_V3,
    FORMATS,
    GEMMA4,
    HARMONY,
    MISTRAL,
    NONE,
    PLAIN,
    QWEN3,
    STEP_AUDIO_R1,
    ThoughtFormat,
    ThoughtSplitter,
    format_of_model,
    format_of_template,
    mark_tokens,
)

THINKING = [form for form in FORMATS.values() if form is not NONE]
THOUGHTS = "Let me see: 2 < 3, so <b> [and] <|this|> is\n\nfine <or not"
WORDS = "It is three. <b>Really</b>, [I think] 1 < 2"


def split(form: ThoughtFormat, pieces: Iterable[str], thinking: bool | None = None) -> tuple[str, str]:
    """The thoughts and the answer."""
    splitter = ThoughtSplitter(form, thinking)
    parts = [part for piece in pieces for part in splitter.push(piece)] + list(splitter.finish())
    thoughts = "".join(part.text for part in parts if isinstance(part, Thought))
    return thoughts, "".join(part.text for part in parts if isinstance(part, Token))


def cut(text: str, cuts: Iterable[int]) -> list[str]:
    return [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]


def as_written(form: ThoughtFormat, thoughts: str, words: str) -> str:
    """What such a model writes: a prefilled opening is the prompt's."""
    return ("" if form.prefilled else form.opens) + thoughts + form.closes + words


@pytest.mark.parametrize("form", THINKING, ids=lambda form: form.name)
@given(cuts=st.lists(st.integers(0, 200), max_size=60))
def test_thoughts_and_answer_are_parted_however_the_text_is_split(form: ThoughtFormat, cuts: list[int]) -> None:
    text = as_written(form, THOUGHTS, WORDS)
    assert split(form, cut(text, [min(at, len(text)) for at in cuts])) == (THOUGHTS, WORDS)


def test_ten_thousand_random_splittings() -> None:
    generator = random.Random(5)
    snippets = [
        *"ab <>|[]/",
        "<th",
        "ink>",
        "</",
        "[TH",
        "<|ch",
        "annel",
        "|>",
        "final",
        "thought",
        "\n",
        "Yes. ",
        "12",
    ]
    for round_number in range(10_000):
        form = THINKING[round_number % len(THINKING)]
        secret = "".join(generator.choices(snippets, k=generator.randrange(12)))
        spoken = "".join(generator.choices(snippets, k=generator.randrange(12)))
        if any(tag in secret or tag in spoken for tag in form.tags):
            secret, spoken = secret.translate(_HARMLESS), spoken.translate(_HARMLESS)
        text = as_written(form, f"secret{secret}secret", f"words{spoken}words")
        pieces = cut(text, (generator.randrange(len(text) + 1) for _ in range(generator.randrange(30))))
        assert split(form, pieces) == (f"secret{secret}secret", f"words{spoken}words")


_HARMLESS = str.maketrans("<>[]|", "().,;")


@pytest.mark.parametrize("form", THINKING, ids=lambda form: form.name)
@given(data=st.data())
def test_no_tag_comes_through_even_if_it_makes_no_sense(form: ThoughtFormat, data: st.DataObject) -> None:
    tags = sorted(form.tags)
    pieces = data.draw(st.lists(st.one_of(st.sampled_from(tags), st.sampled_from(["words", " ", "\n", "12"]))))
    text = "".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=20))
    whole = split(form, [text])
    assert split(form, cut(text, cuts)) == whole
    assert not [tag for tag in tags if tag in whole[0] or tag in whole[1]]


@given(st.text(alphabet="ab <>|/[]\n", max_size=40), st.lists(st.integers(0, 40), max_size=10))
def test_text_without_tags_is_the_answer(text: str, cuts: list[int]) -> None:
    thoughts, answer = split(QWEN3, cut(text, [min(at, len(text)) for at in cuts]))
    assert thoughts == ""
    assert text.startswith(answer)
    assert len(text) - len(answer) <= len("</think"), "no more than half a tag is ever left out"


def test_without_thoughts_nothing_is_touched() -> None:
    assert split(NONE, ["<think>", " is a tag."]) == ("", "<think> is a tag.")


@pytest.mark.parametrize(
    ("form", "pieces", "parts"),
    [
        (QWEN3, ["Hello the", "re <"], [[Token("Hello the")], [Token("re ")]]),
        (QWEN3, ["<think>", "Hm", "m. ", "So"], [[], [Thought("Hm")], [Thought("m.")], [Thought(" So")]]),
        (QWEN3, ["<think>a</think>", "\n\n", "B"], [[Thought("a")], [], [Token("B")]]),
        (MISTRAL, ["[TH", "E end]"], [[], [Token("[THE end]")]]),
        (GEMMA4, ["<|channel>", "thought", "\nHm"], [[], [], [Thought("Hm")]]),
        (HARMONY, ["<|channel|>", "analysis", "<|message|>", "Hm"], [[], [], [], [Thought("Hm")]]),
    ],
)
def test_no_more_is_held_back_than_may_be_a_tag(
    form: ThoughtFormat, pieces: list[str], parts: list[list[Thought | Token]]
) -> None:
    splitter = ThoughtSplitter(form)
    assert [list(splitter.push(piece)) for piece in pieces] == parts


def test_a_thought_that_was_cut_off_is_no_answer() -> None:
    assert split(QWEN3, ["<think>\nSo far so"]) == ("So far so", "")
    assert split(QWEN3, ["<think>\nSo far.\n</thi"]) == ("So far.", "")
    assert split(STEP_AUDIO_R1, ["So far so"]) == ("So far so", "")
    assert split(QWEN3, ["Yes.<thi"]) == ("", "Yes.")


def test_harmony_speaks_only_its_final_channel() -> None:
    text = (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
        '<|channel|>commentary to=functions.clock <|constrain|>json<|message|>{"zone": 1}<|call|>'
        "<|start|>assistant<|channel|>final<|message|>Noon.<|return|>"
    )
    for size in range(1, 12):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert split(HARMONY, pieces) == ('Hm.{"zone": 1}', "Noon.")


def test_a_server_that_parts_them_itself_sends_only_the_answer() -> None:
    splitter = ThoughtSplitter(STEP_AUDIO_R1)
    assert splitter.thinking
    splitter.answer()
    assert list(splitter.push("Noon.")) == [Token("Noon.")]


@pytest.mark.parametrize(
    ("form", "prompt", "message", "text"),
    [
        (QWEN3, "A:", [], "A:<think>\n"),
        (QWEN3, "A:", [Thought("Hm.")], "A:<think>\nHm."),
        (QWEN3, "A:", [Thought("Hm."), Text("")], "A:<think>\nHm.\n</think>\n\n"),
        (QWEN3, "A:", [Thought("Hm."), Text("It is")], "A:<think>\nHm.\n</think>\n\nIt is"),
        (QWEN3, "A:", [Text("It is")], "A:<think>\n\n</think>\n\nIt is"),
        (QWEN3, "A:<think>\n\n</think>\n\n", [Thought("Hm.")], "A:<think>\nHm."),
        (STEP_AUDIO_R1, "A:<think>\n", [Thought("Hm."), Text("It")], "A:<think>\nHm.\n</think>\n\nIt"),
        (DEEPSEEK_V3, "A:</think>", [Thought("Hm."), Text("It")], "A:<think>Hm.</think>It"),
        (DEEPSEEK_V3, "A:<think>", [Text("It")], "A:</think>It"),
        (GEMMA4, "A\n", [Text("It")], "A\n<|channel>thought\n<channel|>It"),
        (MISTRAL, "[/INST]", [Thought("Hm."), Text("It")], "[/INST][THINK]Hm.[/THINK]It"),
        (NONE, "A:", [Thought("Hm."), Text("It")], "A:It"),
        (
            HARMONY,
            "<|start|>assistant",
            [Thought("Hm."), Text("It")],
            "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It",
        ),
    ],
)
def test_an_open_message_is_gone_on_with(
    form: ThoughtFormat, prompt: str, message: list[Thought | Text], text: str
) -> None:
    assert "".join(piece for piece, _ in form.continuation(prompt, message)) == text
    assert form.continues_thought(message) is (form is not NONE and text.endswith((form.opens, "Hm.")))


def test_tags_in_thoughts_and_words_are_never_control_tokens() -> None:
    pieces = QWEN3.continuation("A:", [Thought("</think>"), Text("<|im_end|>")])
    assert [control for text, control in pieces if "im_end" in text or text == "</think>"] == [False, False]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen3-30B-A3B-FP8", "qwen3"),
        ("Qwen3-4B-Thinking-2507", "qwen3-thinking"),
        ("Qwen/Qwen3-Next-80B-A3B-Thinking", "qwen3-thinking"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1"),
        ("deepseek-v3.1", "deepseek-v3.1"),
        ("stepfun-ai/Step-Audio-R1", "step-audio-r1"),
        ("google/gemma-4-E2B-it", "gemma4"),
        ("openai/gpt-oss-20b", "harmony"),
        ("mistralai/Magistral-Small-2509", "mistral"),
    ],
)
def test_a_family_is_known_by_its_name(name: str, form: str) -> None:
    known = format_of_model(name)
    assert known is not None
    assert known.name == form


@pytest.mark.parametrize(
    "name",
    [
        "whatever",
        "Qwen/Qwen3-4B-Instruct-2507",
        "Qwen/Qwen3-Coder-480B-A35B-Instruct",
        "Qwen/Qwen3-Coder-Next",
        "qwen3-coder:30b",
    ],
)
def test_a_name_that_says_nothing_or_is_of_one_that_does_not_think_is_nobody(name: str) -> None:
    assert format_of_model(name) is None


@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{{ '<|im_start|>assistant\\n' }}", "none"),
        ("{{ '<|im_start|>assistant\\n<think>\\n' }}", "qwen3"),
        ("{{ '<|im_start|>assistant\n<think>\n' }}", "qwen3"),
        ("{{ '<｜Assistant｜></think>' }}", "deepseek-v3.1"),
        ("{{ '<|start|>assistant<|channel|>final<|message|>' }}", "harmony"),
        ("{{ '<|turn>model\\n<|channel>thought\\n<channel|>' }}", "gemma4"),
        ("First draft: [THINK]...[/THINK]", "mistral"),
        ("{{ '<|user|>\n' + message['content'] + '<|end|>\n<|assistant|>\n' }}", "none"),  # Phi-3.5
        ("{{ '<|system|>' + tools + '<|end|>' }}{{ '<|assistant|>' }}", "none"),  # Phi-4-mini
        ("{{ '<|start|>assistant<|message|>' }}", "none"),
    ],
)
def test_a_family_is_known_by_its_template(template: str, form: str) -> None:
    assert format_of_template(template).name == form


@pytest.mark.parametrize("form", THINKING, ids=lambda form: form.name)
def test_each_format_reads_what_it_writes(form: ThoughtFormat) -> None:
    assert form.is_thinking(f"A:{form.opens}")
    assert not form.is_thinking(f"A:{form.opens}{form.closes}")
    assert not form.is_thinking("A:")
    assert split(form, [f"{form.opens}Hm.{form.closes}It is."], thinking=False) == ("Hm.", "It is.")
    assert split(form, [f"{form.skips}It is."], thinking=False) == ("", "It is.")


def test_the_marks_of_a_format_become_tokens() -> None:
    vocabulary = {"[THINK]": [34], "[/THINK]": [35], "<think>": [1], "</think>": [2, 3]}

    def tokenize(text: str) -> list[int]:
        return vocabulary.get(text, [ord(character) for character in text])

    assert mark_tokens(MISTRAL, tokenize) == {34, 35}
    assert mark_tokens(QWEN3, tokenize) == {1}, "tags of several tokens are no control tokens"


def test_a_model_that_was_not_taught_to_think_does_it_in_plain_words() -> None:
    pieces = ["2 and 3 ", "make 5.\n\nAns", "wer:", " Five."]
    assert split(PLAIN, pieces, thinking=True) == ("2 and 3 make 5.", "Five.")
    assert PLAIN.continuation("ASK", [Text("Fi")]) == [("ASK", True), ("Fi", False)]
    assert format_of_template("{{ '<|im_start|>assistant\n' }}") is NONE
