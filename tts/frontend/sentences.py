"""Where sentences end in written text."""

import re

SENTENCE_STOPS = (".", "?", "!")
"""Marks that end a sentence."""

SENTENCE_BOUNDARY = re.compile(r"[.?!][\"')\]]*\s+|\s*\n\s*")
"""Between two sentences: a stop with its closing quotes and the white space after it, or a line break."""
