"""Spoken questions: what is asked, what counts as right, and how published sets are read."""

import json
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import soundfile
from pyarrow import parquet

from bench.conversations.datasets import read_dataset
from bench.conversations.questions import is_checkable, is_right, numbers_in, spoken
from bench.corpus import BadCorpus
from realtime.protocol.audio_format import WIRE_RATE
from tests.support.scripted import ScriptedVoice

TONE = np.sin(np.arange(8_000) / 10).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("Someone has a tone; nobody is often weightless.", []),
        ("five hundred ninety-two plus four hundred and ten is one thousand two", [592, 410, 1002]),
        ("two and three", [2, 3]),
        ("ninety nine, twelve hundred, a hundred and one", [99, 1200, 101]),
        ("five million two thousand three hundred four", [5_002_304]),
        ("minus seven, negative two, -4 and 3-5", [-7, -2, -4, 3, 5]),
        ("three point one four or 3.14.", [3.14, 3.14]),
        ("$1,234.50, 18% and 5 million", [1234.5, 18, 5_000_000]),
        ("Twenty-One!", [21]),
    ],
)
def test_numbers_in_words_and_digits(text: str, numbers: list[float]) -> None:
    assert numbers_in(text) == numbers


@pytest.mark.parametrize(
    ("answer", "said", "right"),
    [
        ("126", "61 plus 65 is one hundred twenty-six.", True),
        ("126", "It is 126, as 61 and 65 are given.", False),
        ("126", "The answer is 126, as 61 and 65 are given.", True),
        ("126", "The answer is 120. Let me correct that. The answer is a hundred and twenty six.", True),
        ("18", "18.0 dollars are left", True),
        ("18", "I don't know.", False),
        ("18", "", False),
        ("yes", "Yes, Peter is taller than Mary.", True),
        ("no", "Yes. Let me correct that. No, he is not.", True),
        ("yes", "There is no doubt. So yes, he is.", True),
        ("no", "There is no doubt that he is.", False),
        ("no", "The answer is no because yes would be wrong", True),
        ("yes", "He walks back, therefore, yes", True),
        ("invalid", "The argument is not deductively valid.", True),
        ("valid", "That isn't valid.", False),
        ("valid", "Deductively valid.", True),
        ("invalid", "It is invalid.", True),
    ],
)
def test_what_counts_as_right(answer: str, said: str, right: bool) -> None:
    assert is_right(answer, said) is right


def test_the_templates_ask_for_what_they_say() -> None:
    questions = spoken(400, ScriptedVoice())
    assert [question.text for question in questions] == [again.text for again in spoken(400, ScriptedVoice())]
    assert questions[0].text != spoken(1, ScriptedVoice(), seed=1)[0].text
    assert {question.category for question in questions} == {"arithmetic", "logic"}
    choices = [question.answer for question in questions if question.category == "logic"]
    assert 0.3 < choices.count("yes") / len(choices) < 0.7
    for question in questions:
        assert is_checkable(question.answer)
        numbers = [round(number) for number in numbers_in(question.text)]
        match question.text.split()[:2]:
            case ["What", "is"]:
                assert int(question.answer) == sum(numbers)
            case ["I", "have"]:
                assert int(question.answer) == numbers[0] + numbers[1] - numbers[2] >= 0
            case ["There", "are"]:
                assert int(question.answer) == numbers[0] * numbers[1] - numbers[2] >= 0
            case ["A", "book"]:
                assert int(question.answer) == numbers[2] - numbers[0] * numbers[1] > 0
            case ["I", "walk"]:
                assert (question.answer == "yes") is (numbers[0] == numbers[1])
    assert len(questions[0].audio.pcm()) == pytest.approx(5 * WIRE_RATE / 5, abs=10)


def big_bench_audio(folder: Path) -> None:
    (folder / "data").mkdir()
    rows = []
    for number, answer in enumerate(("invalid", "Yes", "7", "No")):
        category = ("formal_fallacies", "navigate", "object_counting", "web_of_lies")[number]
        name = f"data/question_{number}.wav"
        soundfile.write(folder / name, TONE, 16_000)
        rows.append({"category": category, "official_answer": answer, "file_name": name, "id": number})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_big_bench_audio_as_published(tmp_path: Path) -> None:
    big_bench_audio(tmp_path)
    questions = read_dataset(tmp_path, None)
    assert [(question.name, question.category, question.answer) for question in questions] == [
        ("question_0", "formal_fallacies", "invalid"),
        ("question_1", "navigate", "yes"),
        ("question_2", "object_counting", "7"),
        ("question_3", "web_of_lies", "no"),
    ]
    assert len(questions[0].audio.pcm()) == pytest.approx(12_000, abs=2)
    assert len(read_dataset(tmp_path, 3)) == 3


def sounds(folder: Path, count: int) -> list[dict[str, object]]:
    """Columns of sound as the hub keeps them. Each sound is a little longer than the one before."""
    cells: list[dict[str, object]] = []
    for number in range(count):
        soundfile.write(folder / "sound.wav", TONE[: 4_000 + 100 * number], 16_000)
        cells.append({"bytes": (folder / "sound.wav").read_bytes(), "path": f"{number}.wav"})
    (folder / "sound.wav").unlink()
    return cells


def test_spoken_mqa_as_published(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for split, answers in (("short_digit", ["1002", "-3", "2.5"]), ("multi_step_reasoning", ["He pays.\n#### 70,000"])):
        columns = {
            "context": sounds(tmp_path, len(answers)),
            "context_transcript": ["Calculate."] * len(answers),
            "instruction": [{"audio": None, "text": "Please."}] * len(answers),
            "answer": [{"audio": None, "text": answer} for answer in answers],
        }
        file = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        parquet.write_table(pyarrow.table(columns), file, row_group_size=2)
    questions = read_dataset(tmp_path, None)
    assert [(question.category, question.answer) for question in questions] == [
        ("multi_step_reasoning", "70,000"),
        *(("short_digit", answer) for answer in ("1002", "-3", "2.5")),
    ]
    assert questions[0].text == "Calculate."
    lengths = [len(question.audio.pcm()) for question in questions[1:]]
    assert lengths == pytest.approx([6_000, 6_150, 6_300], abs=2)
    assert {question.category for question in read_dataset(tmp_path, 2)} == {"multi_step_reasoning", "short_digit"}


def test_a_copy_of_big_bench_audio_in_parquet(tmp_path: Path) -> None:
    columns = {
        "audio": sounds(tmp_path, 1),
        "category": ["navigate"],
        "official_answer": ["No"],
        "transcript": ["Do you return?"],
        "id": [250],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "0000.parquet")
    (question,) = read_dataset(tmp_path, None)
    assert (question.category, question.answer, question.text) == ("navigate", "no", "Do you return?")
    assert len(question.audio.pcm()) == pytest.approx(6_000, abs=2)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("readme.txt", "", "this is not a supported dataset"),
        ("metadata.jsonl", '{"category": "navigate"}', "metadata.jsonl:1 can't be used: file_name"),
        (
            "metadata.jsonl",
            '{"category": "a", "file_name": "a.wav", "official_answer": "blue"}',
            "the answer 'blue' to a can't be checked",
        ),
        ("0.parquet", "none", "can't be read"),
    ],
)
def test_an_unusable_dataset_is_refused_in_plain_words(name: str, content: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadCorpus, match=complaint):
        read_dataset(tmp_path, None)
