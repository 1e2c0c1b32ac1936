"""Log records as lines: one a record whatever it quotes, with its fields, as text and as JSON."""

import json
import logging
import re
import subprocess
import sys

import pytest

from realtime.observability.logs import JsonFormatter, TextFormatter

LAYOUT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("realtime.test", logging.WARNING, __file__, 1, message, (), None)
    vars(made).update(fields, created=0.0, msecs=0.0)
    return made


def failed() -> logging.LogRecord:
    made = record("it failed")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_text_has_the_time_in_utc_the_level_the_origin_and_the_fields() -> None:
    line = TextFormatter(LAYOUT, one_line=True).format(
        record("session ended", reason="client_left", peer="::1", key="")
    )
    assert line == ('1970-01-01T00:00:00.000Z WARNING realtime.test: session ended reason=client_left peer=::1 key=""')


@pytest.mark.parametrize("forged", ["a\n2026-11-28 ERROR root: forged", "a\r\nb", 'a "b" =c'])
def test_a_record_is_one_line_and_its_fields_cannot_be_forged(forged: str) -> None:
    line = TextFormatter(LAYOUT, one_line=True).format(record(forged, path=forged))
    assert "\n" not in line
    assert "\r" not in line
    assert len(re.findall(r"(?<![\\\"]) path=", line)) == 1
    assert json.loads(JsonFormatter().format(record(forged, path=forged)))["path"] == forged


def test_a_traceback_stays_in_its_record() -> None:
    assert "\n" not in TextFormatter(LAYOUT, one_line=True).format(failed())
    assert "\n" in TextFormatter(LAYOUT, one_line=False).format(failed())
    line = JsonFormatter().format(failed())
    assert "\n" not in line
    assert "ValueError: two\nlines" in json.loads(line)["traceback"]


def test_json_has_the_same_and_takes_any_value() -> None:
    assert json.loads(JsonFormatter().format(record("session ended", seconds=1.5, where=object))) == {
        "time": "1970-01-01T00:00:00.000Z",
        "level": "warning",
        "logger": "realtime.test",
        "message": "session ended",
        "seconds": 1.5,
        "where": "<class 'object'>",
    }


def test_other_packages_do_not_fill_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import logging; from realtime.observability.logs import configure; configure('info', 'json');"
        "logging.getLogger('httpx').info('a request'); logging.getLogger('realtime').info('ours')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    [line] = capfd.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "ours"
