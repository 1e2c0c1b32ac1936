"""A run that is taken up again has no more time than one that was not stopped."""

import json
from pathlib import Path

from training.budget import Budget


def test_time_is_counted_over_all_calls(tmp_path: Path) -> None:
    file = tmp_path / "run" / "time.json"
    first = Budget(file, 100_000)
    assert first.lasts()
    assert 0 <= json.loads(file.read_text())["seconds"] <= first.spent
    file.write_text(json.dumps({"seconds": 100}))
    assert Budget(file, 100).spent >= 100
    assert not Budget(file, 100).lasts()
    assert Budget(file, 100_000).lasts(), "a larger budget goes on"
