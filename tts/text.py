"""What a person says for what is written: numbers, dates, money, units, abbreviations, symbols.

A table of rules, the first that fits wins. Each is a pattern for one stretch of text between two spaces, without the
brackets, quotes and marks around it, and a function that says it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tts.numbers import LARGEST, cardinal, digits, number, ordinal, plural, year
from tts.synthesizer import Word
from tts.vocabulary import ABBREVIATIONS, CURRENCIES, NUMBERED, SCALES, SYMBOLS, UNITS

MARKS = ",;:.?!"
OPENING = "\"'“‘«([{¿¡"
CLOSING = "\"'”’»)]}…" + MARKS
DASHES = ("—", "–", "-", "--")
EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d\u20e3"
"""Their code points, for a class of a regular expression."""
AFTER = f"[{re.escape(CLOSING)}—–{EMOJI}]*"
"""What may follow a word up to the next space."""

NUMBER = r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)(?:\.\d+)*|\.\d+)"
AMOUNT = rf"{NUMBER}(?:[-–]{NUMBER})?"
"""A number or a range of two."""

_MONTHS = "January February March April May June July August September October November December"
MONTHS = _MONTHS.split()
MONTH = "|".join(f"{month}|{month[:3]}\\.?" for month in MONTHS) + r"|Sept\.?"
ROMAN = r"(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})"

Match = re.Match[str]


@dataclass(frozen=True, slots=True)
class Rule:
    pattern: re.Pattern[str]
    say: Callable[[Match], str]


def spoken_words(text: str) -> list[Word]:
    """Cut `text` into units that are each said as one, none of them empty.

    A mark at which a person pauses stays at the end of `spoken`. Nothing but letters, apostrophes, hyphens, single
    spaces and `MARKS` is in there; it is empty where there is nothing to say.
    """
    words: list[Word] = []
    position = 0
    while found := _ANYTHING.search(text, position):
        word, position = _unit(text, found.start())
        if not word.spoken and words and words[-1].spoken:
            # A dash, or the mark behind an emoji.
            mark = "," if word.written in DASHES else first_mark(word.written)
            words[-1] = paused(words[-1], mark)
        words.append(word)
    return words


def _unit(text: str, start: int) -> tuple[Word, int]:
    """The unit that begins at `start`, and where it ends."""
    for rule in RULES:
        if match := rule.pattern.match(text, start):
            said, after = rule.say(match), match["after"]
            break
    else:
        match = _ANY.match(text, start)
        assert match is not None
        said, after = plain(match["core"]), match["after"]
    mark = first_mark(after)
    return Word(match.group(), said + mark if said else ""), match.end()


def first_mark(after: str) -> str:
    """The mark that counts of those behind a word; dots are a pause, no full stop."""
    return next((mark for mark in re.sub(r"…|\.{2,}|[—–]", ",", after) if mark in MARKS), "")


def paused(word: Word, mark: str = ",") -> Word:
    """`word` with a mark behind it."""
    return word if word.spoken.endswith(tuple(MARKS)) else Word(word.written, word.spoken + mark)


def plain(core: str) -> str:
    """A stretch that no rule knows: letters as they are, numbers and symbols as words."""
    core = core.translate(_SIMPLER)
    parts: list[str] = []
    for piece in _PIECES.findall(core):
        if piece[0].isdecimal():
            parts.append(number(piece))
        elif piece in SYMBOLS:
            parts.append(SYMBOLS[piece])
        elif piece[0] in "—–…:;,":
            parts[-1:] = [parts[-1] + ","] if parts else []
        elif any(map(str.isalpha, piece)):
            parts.append(piece.strip("'-"))
    return " ".join(parts).rstrip(MARKS)


def _rule(pattern: str, say: Callable[[Match], str], flags: int = 0) -> Rule:
    around = rf"(?P<before>[{re.escape(OPENING)}]*)(?:{pattern})(?P<after>{AFTER})(?!\S)"
    return Rule(re.compile(around, flags), say)


def _any(texts: Iterable[str]) -> str:
    """A pattern for any of `texts`, the longest first."""
    return "|".join(sorted(map(re.escape, texts), key=len, reverse=True))


_ANY = re.compile(rf"(?P<core>\S*?)(?P<after>{AFTER})(?!\S)")
_ANYTHING = re.compile(r"\S")
_LETTER = r"[^\W\d_½¼¾²³]"
_PIECES = re.compile(rf"\d[\d,]*(?:\.\d+)*(?<!,)|{_LETTER}+(?:['-]{_LETTER}+)*'?|\S")
_SIMPLER = str.maketrans("‘’₀₁₂₃₄₅₆₇₈₉", "''0123456789")


def _date(month: str, day: str, the_year: str | None) -> str:
    name = next(name for name in MONTHS if name.startswith(month[:3]))
    return f"{name} {ordinal(int(day))}" + (f", {year(int(the_year))}" if the_year else "")


def _numeric_date(match: Match) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return plain(match.group())
    return _date(MONTHS[month - 1], match["day"], match["year"])


def _time(match: Match) -> str:
    hour, minute = int(match["hour"]), match["minute"]
    half = re.sub(r"[^apm]", "", (match["half"] or "").lower()).upper()
    if not minute or int(minute) == 0:
        said = cardinal(hour) if half else "midnight" if hour == 0 else f"{cardinal(hour)} o'clock"
    else:
        said = f"{cardinal(hour)} {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    return f"{said} {half}".strip()


def _time_to_the_second(match: Match) -> str:
    return f"{_time(match)} and {plural(match['second'].lstrip('0') or '0', 'second', 'seconds')}"


def _times(match: Match) -> str:
    first, last = (_TIME.fullmatch(time) for time in re.split("[-–]", match["times"]))
    assert first is not None
    assert last is not None
    return f"{_time(first)} to {_time(last)}"


def _money(match: Match) -> str:
    if match["minus"]:
        return f"minus {_amount_of_money(match)}"
    return _amount_of_money(match)


def _amount_of_money(match: Match) -> str:
    amount, scale = match["amount"], match["scale"]
    one, many, cent, cents = CURRENCIES[match["sign"]]
    if scale:
        return f"{number(amount)} {SCALES[scale.lower()]} {many}"
    whole, _, rest = amount.partition(".")
    if len(rest) != 2 or "-" in amount or "–" in amount or not cent:
        return plural(amount, one, many)
    parts = [plural(whole, one, many)] if whole.strip("0") else []
    if rest.strip("0"):
        parts.append(plural(rest.lstrip("0"), cent, cents))
    return " and ".join(parts) or plural("0", one, many)


def _unit_of_measure(match: Match) -> str:
    one, many = UNITS[match["unit"]]
    return plural(match["amount"], one, many)


def _fraction(match: Match) -> str:
    above, below = int(match["above"]), int(match["below"])
    if (above, below) == (24, 7):
        return "twenty-four seven"
    if above == below == 50:
        return "fifty fifty"
    if not 2 <= below <= 20:
        return f"{cardinal(above)} over {cardinal(below)}"
    name = {2: "half" if above == 1 else "halves", 4: "quarter" if above == 1 else "quarters"}.get(
        below, ordinal(below) + ("s" if above != 1 else "")
    )
    if not match["whole"]:
        return f"{cardinal(above)} {name}"
    return f"{cardinal(int(match['whole']))} and {'a' if above == 1 else cardinal(above)} {name}"


def _decade(match: Match) -> str:
    said = year(int(match["year"])) if len(match["year"]) == 4 else cardinal(int(match["year"]))
    return said.removesuffix("y") + "ies" if said.endswith("y") else said + "s"


def _years(match: Match) -> str:
    return " to ".join(year(int(the_year)) for the_year in re.split(r"[-–]", match["years"]))


def _roman(numeral: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10, "L": 50}[letter] for letter in numeral]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _phone(match: Match) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", match["phone"]))


def _address(match: Match) -> str:
    """A web or mail address, without what no one would say of it."""
    host = match["host"].removeprefix("www.").replace("@", " at ")
    return plain(host.replace(".", " dot ").replace("-", " dash "))


def _dotted(match: Match) -> str:
    return plain(match["name"].replace(".", " dot ").replace("_", " "))


def _integer(match: Match) -> str:
    text = match["number"]
    if re.fullmatch(r"1[1-9]\d\d|20\d\d", text):
        return year(int(text))
    return digits(text) if re.fullmatch(rf"\d{{7,{LARGEST}}}", text) and text.rstrip("0")[1:] else number(text)


_SCALE = "thousand|[mb]illion|trillion|bn|[kKmMbB]"
_DOMAINS = "com|org|net|edu|gov|io|ai|dev|app|info|uk|de|fr|eu"
"""By these an address is known that does not say what it is."""
_PARTS = {"½": "a half", "¼": "a quarter", "¾": "three quarters"}
_CLOCK = r"(?:\d{1,2}:[0-5]\d(?: ?[ap]\.?m\b\.?)?|\d{1,2} ?[ap]\.?m\b\.?)"
_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?: ?(?P<half>[ap]\.?m\b\.?))?", re.IGNORECASE)

RULES = [
    _rule(r"(?P<scheme>[a-z]+://|www\.)(?P<host>[\w.-]+\w)(?P<path>[:/?#]\S*?)?", _address),
    _rule(rf"(?P<host>(?:[\w-]+\.)+(?:{_DOMAINS}))(?P<path>[:/?#]\S*?)?", _address),
    _rule(r"(?P<host>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)", _address),
    _rule(
        rf"(?P<month>{MONTH}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?",
        lambda m: _date(m["month"], m["day"], m["year"]),
    ),
    _rule(
        rf"(?P<day>\d{{1,2}}) (?P<month>{MONTH})(?: (?P<year>\d{{4}}))?",
        lambda m: _date(m["month"], m["day"], m["year"]),
    ),
    _rule(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", _numeric_date),
    _rule(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})", _numeric_date),
    _rule(
        r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?: ?(?P<half>[ap]\.?m\b\.?))?",
        _time,
        re.IGNORECASE,
    ),
    _rule(r"(?P<hour>1[0-2]|[1-9])(?P<minute>) ?(?P<half>[ap]\.?m\b\.?)", _time, re.IGNORECASE),
    _rule(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?P<half>):(?P<second>[0-5]\d)", _time_to_the_second),
    _rule(rf"(?P<times>{_CLOCK}[-–]{_CLOCK})", _times, re.IGNORECASE),
    _rule(
        rf"(?P<minus>[-−])?(?P<sign>(?:US)?[$]|[€£¥₹])(?P<amount>{AMOUNT})(?: ?(?P<scale>{_SCALE}))?",
        _money,
    ),
    _rule(rf"(?P<minus>)(?P<amount>{AMOUNT})(?P<scale>) ?(?P<sign>[€£])", _money),
    _rule(r"'?(?P<year>[12]\d\d0|[2-9]0)'?s", _decade),
    _rule(rf"(?P<amount>{AMOUNT}) ?(?P<unit>{_any(UNITS)})", _unit_of_measure),
    _rule(r"(?P<phone>(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[.-]\d{4}|\d{3}-\d{4})", _phone),
    _rule(r"(?P<phone>\+\d{1,3}(?:[ -]\d{2,4}){2,5})", _phone),
    _rule(
        r"(?P<feet>\d{1,2})['′](?P<inches>\d{1,2})[\"”″]", lambda m: f"{number(m['feet'])} foot {number(m['inches'])}"
    ),
    _rule(r"(?P<whole>\d+)(?P<part>[½¼¾])", lambda m: f"{number(m['whole'])} and {_PARTS[m['part']]}"),
    _rule(r"v(?P<version>\d+(?:\.\d+)+)", lambda m: f"v {number(m['version'])}"),
    _rule(r"(?P<year>1[1-9]\d\d|20\d\d)['’]s", lambda m: f"{year(int(m['year']))}'s"),
    _rule(r"(?:(?P<whole>\d{1,3}) )?(?P<above>\d{1,3})[/⁄](?P<below>\d{1,3})", _fraction),
    _rule(r"(?P<number>\d+)(?:st|nd|rd|th)", lambda m: ordinal(int(m["number"][-LARGEST:]))),
    _rule(r"(?P<years>(?:1[1-9]|20)\d\d[-–](?:1[1-9]|20)\d\d)", _years),
    _rule(rf"(?P<number>{NUMBER})", _integer),
    _rule(rf"(?P<number>{AMOUNT})", lambda m: number(m["number"])),
    _rule(rf"[~≈](?P<number>{AMOUNT})", lambda m: "about " + number(m["number"])),
    _rule(r"(?:#|No\. ?|no\. )(?P<number>\d{1,15})", lambda m: "number " + cardinal(int(m["number"]))),
    _rule(r"(?P<count>\d{1,2}):(?P<other>\d{1,2})", lambda m: f"{number(m['count'])} to {number(m['other'])}"),
    _rule(
        rf"(?P<what>{_any(NUMBERED)}) (?P<numeral>{ROMAN})",
        lambda m: f"{m['what']} {cardinal(_roman(m['numeral']))}",
    ),
    _rule(
        rf"(?P<name>[A-Z][a-z]+) (?P<numeral>(?=[IVX]{{2}}){ROMAN})",
        lambda m: f"{m['name']} the {ordinal(_roman(m['numeral']))}",
    ),
    _rule(
        r"(?P<name>King [A-Z][a-z]+|Henry|Charles|George|Louis|Elizabeth|Napoleon) (?P<numeral>V)",
        lambda m: f"{m['name']} the {ordinal(_roman(m['numeral']))}",
    ),
    _rule(r"(?P<letter>[A-Z])\.(?= [A-Z])", lambda m: m["letter"]),
    _rule(r"Dr\.(?= [A-Z])", lambda m: "Doctor"),
    _rule(r"Dr\.", lambda m: "Drive"),
    _rule(r"St\.(?= [A-Z])", lambda m: "Saint"),
    _rule(r"St\.", lambda m: "Street"),
    _rule(
        rf"(?P<short>{_any(ABBREVIATIONS)})",
        lambda m: ABBREVIATIONS[m["short"]],
    ),
    _rule(
        r"(?P<letters>(?:[A-Za-z]\.){2,}[A-Za-z]?)(?P<s>'s|’s|s)?",
        lambda m: m["letters"].replace(".", "").upper() + ("'s" if m["s"] else ""),
    ),
    _rule(r"(?P<name>[\w-]*[^\W\d_][\w-]*(?:\.[\w-]+)+)", _dotted),
    _rule(r"#(?P<tag>_*[^\W\d_]\w*)", lambda m: "hashtag " + plain(m["tag"].replace("_", " ").strip())),
    _rule(r"-(?= ?\d)", lambda m: "minus"),
]
