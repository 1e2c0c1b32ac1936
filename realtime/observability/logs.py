"""Log records as lines: one a record, as text or as JSON."""

import json
import logging
import sys
import time
from typing import Literal

from rich.console import Console
from rich.logging import RichHandler

Format = Literal["text", "json"]

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes that every record has. Others are fields, which came in `extra`."""

_CHATTY = ("httpx", "httpx2", "aiortc", "aioice")


def configure(level: str, format: Format) -> None:
    """Send the records of this process to the standard error. `level`: the least that is shown, in lower case.

    In a terminal text is laid out for a reader; anywhere else each record is one line, whatever it quotes.
    """
    handler: logging.Handler
    if format == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
    elif sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False)
        handler.setFormatter(TextFormatter("%(name)s: %(message)s", one_line=False))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", one_line=True))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if level != "debug":
        # These record every request to a decoder or a voice, at level "info".
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)


class _UtcFormatter(logging.Formatter):
    """Times as in RFC 3339."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, layout: str | None = None) -> None:
        super().__init__(layout)
        self.converter = time.gmtime


class TextFormatter(_UtcFormatter):
    """The message and its fields as name=value. With `one_line` line ends are escaped: no record can forge another."""

    def __init__(self, layout: str, one_line: bool) -> None:
        super().__init__(layout)
        self._one_line = one_line

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={_quoted(value)}" for name, value in fields_of(record).items())
        return super().formatMessage(record) + fields

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") if self._one_line else text


class JsonFormatter(_UtcFormatter):
    """One JSON object a record: `time`, `level`, `logger`, `message`, its fields and, for an error, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What the record carries besides its message."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(character in text for character in ' "=\n\r') else text
