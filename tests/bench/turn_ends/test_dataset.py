"""Sets in the format of eot-bench: read as they are published, and refused with a reason where they are not."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audio.pcm import INPUT_RATE
from bench.corpus import BadCorpus
from bench.turn_ends.dataset import read_turns
from bench.turn_ends.spoken import Spoken, write

TONE = np.sin(np.arange(INPUT_RATE) / 5).astype(np.float32) * 0.3


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    spoken = [Spoken("a", TONE, ((0.2, 0.5), (0.8, 1.0)), "Your name?"), Spoken("b", TONE[:8_000], ((0.3, 0.5),), "")]
    write(tmp_path, spoken)
    turns = list(read_turns(tmp_path, "en"))
    assert [(turn.id, turn.silences, turn.asked) for turn in turns] == [
        ("a", ((0.2, 0.5), (0.8, 1.0)), "Your name?"),
        ("b", ((0.3, 0.5),), ""),
    ]
    assert np.allclose(turns[0].pcm, TONE, atol=1e-3)
    assert [turn.id for turn in read_turns(tmp_path, "en", 1)] == ["a"]


def test_other_languages_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, [Spoken("a", TONE, ((0.2, 0.5),), "")])
    with pytest.raises(BadCorpus, match="no turns in the language 'de'"):
        list(read_turns(tmp_path, "de"))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"id": ["a"]}, "no column language"),
        (
            {"id": ["a"], "language": ["en"], "audio": [{"bytes": b"x", "path": "a"}], "silence_spans": [[]]},
            "row 0, can't be used: silence_spans",
        ),
        (
            {
                "id": ["a"],
                "language": ["en"],
                "audio": [{"bytes": b"x", "path": "a"}],
                "silence_spans": [[{"start": 0.0, "end": 1.0}]],
            },
            "the sound of a can't be read",
        ),
    ],
)
def test_what_cannot_be_used_is_named(columns: dict[str, list[object]], reason: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(BadCorpus, match=reason):
        list(read_turns(tmp_path, "en"))


def test_a_folder_without_tables_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadCorpus, match=r"no \.parquet files"):
        list(read_turns(tmp_path, "en"))
