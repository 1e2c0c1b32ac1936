"""What a person says for what is written: numbers, dates, money, units, abbreviations, symbols.

Tables of rules, the first that fits wins. Each is a pattern for one stretch of text between two spaces, without the
brackets, quotes and marks around it, and a function that says it, or that gives it to the next rule.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from tts import forms
from tts.forms import Match
from tts.numbers import LARGEST, cardinal, digits, number, ordinal, roman, year
from tts.patterns import (
    CURRENCY,
    CURRENCY_SIGNS,
    GREEK,
    GREEK_LETTER,
    LETTER,
    NUMBER,
    PER,
    PRONOUN,
    QUANTITY,
    ROMAN,
    SCALE,
    SIGN,
    SUPERSCRIPTS,
    UNIT,
    UNSIGNED,
    VULGAR,
    any_of,
)
from tts.synthesizer import Word
from tts.vocabulary import (
    ABBREVIATIONS,
    CURRENCIES,
    FIRST_NAMES,
    MONTHS,
    NUMBERED,
    SHARES,
    STATES,
    SYMBOLS,
    TITLES,
    UNITS,
    WEEKDAYS,
)

MARKS = ",;:.?!"
OPENING = "\"'“‘«([{¿¡"
CLOSING = "\"'”’»)]}…" + MARKS
DASHES = ("—", "–", "-", "--")
EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff\ufe0f\u200d\u20e3"
"""Their code points, for a class of a regular expression."""
AFTER = f"[{re.escape(CLOSING)}—–{EMOJI}]*"
"""What may follow a word up to the next space."""
MONTH = "|".join(f"{month}|{month[:3]}\\.?" for month in MONTHS) + r"|Sept\.?"

_ANY = re.compile(rf"(?P<core>\S*?)(?P<after>{AFTER})(?!\S)")
_FIRST = re.compile(rf"(?=\S)[{re.escape(OPENING)}]*(?P<first>\S?)")
_ORDINAL_OR_DECADE = re.compile(rf"(?:\d+(?:st|nd|rd|th)|[12]\d\d0s|'?[2-9]0s)(?!{LETTER})")
_PIECES = re.compile(
    rf"[{CURRENCY_SIGNS}](?=\d){UNSIGNED}|{_ORDINAL_OR_DECADE.pattern}|(?=\d){UNSIGNED}|[{VULGAR}]|⁻?[⁰¹²³⁴-⁹]+|{GREEK_LETTER}"
    rf"|{LETTER}+(?:['-]{LETTER}+)*'?|[{GREEK}]+|{any_of(sign for sign in SYMBOLS if len(sign) > 1)}|\S"
)
_LOWER = re.compile(" [a-z]")
_SIMPLER = str.maketrans("‘’₀₁₂₃₄₅₆₇₈₉", "''0123456789")


@dataclass(frozen=True, slots=True)
class Rule:
    pattern: re.Pattern[str]
    say: Callable[[Match], str | None]
    """None: not what the rule is about after all."""


def spoken_words(text: str) -> list[Word]:
    """Cut `text` into units that are each said as one, none of them empty.

    A mark at which a person pauses stays at the end of `spoken`. Nothing but letters, apostrophes, hyphens, single
    spaces and `MARKS` is in there; it is empty where there is nothing to say.
    """
    words: list[Word] = []
    position = 0
    while found := _FIRST.search(text, position):
        rules = WORD_RULES if found["first"].isalpha() else NUMBER_RULES
        word, position = _unit(text, found.start(), rules)
        if not word.spoken and words and words[-1].spoken:
            # A dash, or the mark behind an emoji.
            mark = "," if word.written in DASHES else first_mark(word.written)
            words[-1] = paused(words[-1], mark)
        words.append(word)
    return words


def _unit(text: str, start: int, rules: list[Rule]) -> tuple[Word, int]:
    """The unit that begins at `start`, and where it ends."""
    for rule in rules:
        if (match := rule.pattern.match(text, start)) and (said := rule.say(match)) is not None:
            break
    else:
        match = _ANY.match(text, start)
        assert match is not None
        said = plain(match["core"])
    mark = first_mark(match["after"])
    if mark == "." and _LOWER.match(text, match.end()):
        mark = ""  # of an abbreviation: 2 tsp. salt
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
        if piece[0] in "—–…:;,":
            parts[-1:] = [parts[-1] + ","] if parts else []
        elif said := _piece(piece):
            parts.append(said)
    return " ".join(parts).rstrip(MARKS)


def _piece(piece: str) -> str:
    if piece in SYMBOLS:
        return SYMBOLS[piece]
    if piece[0] in CURRENCY_SIGNS or re.match(f"[{VULGAR}]", piece):
        return _said(piece)
    if _ORDINAL_OR_DECADE.fullmatch(piece):
        return _said("'" + piece.strip("'"))  # mid-30s are no seconds
    if piece[0].isdecimal():
        return _integer(piece)
    if piece[-1] in SUPERSCRIPTS[1:]:
        return "to the power of " + number(unicodedata.normalize("NFKC", piece))
    if re.fullmatch(GREEK_LETTER, piece):
        return unicodedata.name(piece).split()[-1].lower()
    if "∀" <= piece <= "⋿":
        return unicodedata.name(piece).lower()
    return piece.strip("'-") if any(map(str.isalpha, piece)) else ""


def _said(text: str) -> str:
    """A part of a unit, by the rules."""
    return " ".join(word.spoken.rstrip(MARKS) for word in spoken_words(text) if word.spoken)


def _rule(pattern: str, say: Callable[[Match], str | None], flags: int = 0) -> Rule:
    around = rf"(?P<before>[{re.escape(OPENING)}]*)(?P<rest>{pattern})(?P<after>{AFTER})(?!\S)"
    return Rule(re.compile(around, flags), say)


def _range(match: Match) -> str | None:
    """From the one to the other; the unit is said once."""
    low, high, behind = match["low"], match["high"], match.string[match.end("high") :]
    if re.match(" ?=", behind) or (match["dash"].startswith(" ") and not _is_range(low, match["dash"], high, behind)):
        return None
    sign = re.match(f"{SIGN}?({CURRENCY})", low)
    if sign and not re.match(CURRENCY, high):
        high = sign[1] + high
    first, last = _said(low), _said(high)
    for one, many in _UNIT_NAMES:
        if last.partition(" per ")[0].endswith(" " + many):
            first = first.removesuffix(" " + one).removesuffix(" " + many)
    to = " " if low == high else " to "
    return f"{first}{to}{last} {match['size'] or ''}".strip()


def _is_range(low: str, dash: str, high: str, behind: str) -> bool:
    """Whether a dash between spaces is neither a minus nor a pause."""
    bare = r"[\d,]*\.?\d+"
    if re.fullmatch(bare, low) and re.fullmatch(bare, high):
        goes_on = "-" not in dash or re.match(rf" (?!is\b|equals\b){LETTER}", behind)
        return bool(goes_on) and float(low.replace(",", "")) < float(high.replace(",", ""))
    return "x" not in low + high or "-" not in dash


def _names(match: Match) -> str:
    """From one month or day of the week to another."""
    return " to ".join(
        next(name for name in (*MONTHS, *WEEKDAYS) if name.startswith(match[end][:3])) for end in ("low", "high")
    )


def _around(match: Match) -> str:
    sign = {"~": "about"} | SYMBOLS
    return f"{sign[match['sign']]} {_said(match['what'])}"


def _address(match: Match) -> str:
    """A web or mail address, without what no one would say of it."""
    host = match["host"].removeprefix("www.").replace("@", " at ")
    return plain(host.replace(".", " dot ").replace("-", " dash "))


def _dotted(match: Match) -> str:
    return plain(match["name"].replace(".", " dot ").replace("_", " "))


def _initials(match: Match) -> str:
    letters = match["letters"].replace(".", "").upper() + (match["s"] or "").replace("’", "'")
    return f"{letters} {plain(match['based'].replace('-', ' '))}".strip()


def _integer(text: str) -> str:
    if re.fullmatch(r"1[1-9]\d\d|20\d\d", text):
        return year(int(text))
    return digits(text) if re.fullmatch(rf"\d{{7,{LARGEST}}}", text) and text.rstrip("0")[1:] else number(text)


_TERM = rf"(?:\d+(?:[.,]\d+)*|{LETTER}(?!{LETTER})|{GREEK_LETTER}|[{SUPERSCRIPTS}()!√=^+*×÷·<>/±−–-])"
_EVIDENT = re.compile(
    rf"[\w)][=^+*×÷·<>]+[\w(√−–-]|[√{SUPERSCRIPTS}]"  # x=-3, 10^-3, x²
    rf"|^{SIGN}{LETTER}$|^\d*[xyzabcnt]-\d+$"  # -b, 2x-3
)
_FOLLOWED = re.compile(r" (?:[=+*×÷·^<>≤≥≠±]|[-−–/] [\d(])")
_PRECEDED = re.compile(r"(?:[=+*/×÷·^≠±]|(?:\d[a-zA-Z]?|\b[a-zA-Z])[)²³]? [-−–]) $")


def _expression(match: Match) -> str | None:
    """Numbers, letters and signs, where a hyphen is a minus and a stroke a division."""
    text = match["expression"]
    before, behind = match.string[: match.start("expression")], match.string[match.end() :]
    if not (_EVIDENT.search(text) or _FOLLOWED.match(behind) or _PRECEDED.search(before)):
        return None
    if re.fullmatch(f"{NUMBER}{UNIT}", text) and not text.endswith("x"):
        return None
    return plain(re.sub(r"(?<=[\w)])/(?=[\w(])", "÷", re.sub("[-–]", "−", text)))


def _shared(match: Match) -> str:
    """miles/hour."""
    return match["what"] + forms.share(match)


def _zone(match: Match) -> str:
    return f"{match['zone']} {'plus' if match['sign'] == '+' else 'minus'} {_said(match['hours'])}"


_DOMAINS = "com|org|net|edu|gov|io|ai|dev|app|info|uk|de|fr|eu"
"""By these an address is known that does not say what it is."""
_NAMES = f"(?:{MONTH}|" + "|".join(f"{day}|{day[:3]}\\.?|{day[:4]}\\.?" for day in WEEKDAYS) + ")"
_OPERAND_BEFORE = r"(?:(?<=[\d)²³] )|(?<=\b[a-zA-Z] )|(?<=\d[a-zA-Z] ))"
_OPERAND = r" ?(?:[\d(]|[a-zA-Z](?![a-zA-Z]))"
"""A sign between these two is arithmetic."""
_UNIT_NAMES = {*UNITS.values(), *((one, many) for one, many, _, _ in CURRENCIES.values())}

_SHARE = f"(?:/(?P<share>{PER}))?"

_ADDRESSES = [
    _rule(r"(?P<scheme>[a-z]+://|www\.)(?P<host>[\w.-]+\w)(?P<path>[:/?#]\S*?)?", _address),
    _rule(rf"(?P<host>(?:[\w-]+\.)+(?:{_DOMAINS}))(?P<path>[:/?#]\S*?)?", _address),
    _rule(r"(?P<host>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)", _address),
]
_MONEY = _rule(
    rf"(?P<minus>{SIGN})?(?P<sign>{CURRENCY})(?P<amount>{UNSIGNED})(?:[ -]?(?P<scale>{SCALE}))?{_SHARE}",
    forms.money,
)
_EXPRESSION = _rule(rf"(?P<expression>(?=\S*?\w){_TERM}+)", _expression)
_DOTTED = _rule(r"(?P<name>[\w-]*[^\W\d_][\w-]*(?:\.[\w-]+)+)", _dotted)

NUMBER_RULES = [
    *_ADDRESSES,
    # dates
    _rule(rf"(?P<day>\d{{1,2}})(?:[-–](?P<last>\d{{1,2}}))? (?P<month>{MONTH})(?: (?P<year>\d{{4}}))?", forms.date),
    _rule(
        r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
        r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::\d\d(?:\.\d+)?)?(?P<zone>Z|\+00:00)?)?",
        forms.numeric_date,
    ),
    _rule(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d\d)", forms.numeric_date),
    _rule(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})", forms.numeric_date),
    # telephone numbers
    _rule(r"(?P<phone>(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[.-]\d{4}|\d{3}-\d{4})", forms.phone),
    _rule(r"(?P<phone>\+\d{1,3}(?:[ -]\d{2,4}){2,5})", forms.phone),
    # ranges, and times
    _rule(rf"(?P<low>{QUANTITY})(?P<dash> [-–] |[-–—])(?P<high>{QUANTITY})(?:-(?P<size>[a-z]+))?", _range),
    _rule(
        r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?: ?(?P<half>[ap]\.?m\b\.?))?",
        forms.clock_time,
        re.IGNORECASE,
    ),
    _rule(r"(?P<hour>1[0-2]|[1-9])(?P<minute>) ?(?P<half>[ap]\.?m\b\.?)", forms.clock_time, re.IGNORECASE),
    _rule(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d)", forms.time_to_the_second),
    _rule(r"\d+ ?h ?\d+ ?m(?: ?\d+ ?s)?|\d+ ?m ?\d+ ?s", forms.duration),
    _rule(r"(?P<number>[12]\d\d0|\d{1,3})['’]?s", forms.decade),
    # amounts, fractions
    _MONEY,
    _rule(
        rf"(?P<minus>{SIGN})?(?P<amount>{UNSIGNED})(?: ?(?P<scale>{SCALE}))? ?(?P<sign>[{CURRENCY_SIGNS}]){_SHARE}",
        forms.money,
    ),
    _rule(
        r"(?P<feet>\d{1,2})['′’](?P<inches>\d{1,2})[\"”″]?", lambda m: f"{number(m['feet'])} foot {number(m['inches'])}"
    ),
    _rule(r"(?P<amount>\d+(?:\.\d+)?)(?P<mark>[\"”″'′])", forms.inches),
    _rule(
        rf"(?P<minus>{SIGN})?(?:(?:(?P<whole>\d{{1,3}})[ -])?(?P<above>\d{{1,3}})[/⁄](?P<below>\d{{1,3}})"
        rf"|(?P<count>\d{{1,3}})? ?(?P<vulgar>[{VULGAR}]))(?: ?(?P<unit>{UNIT})|-(?P<size>[a-z]+))?",
        forms.ratio,
    ),
    _rule(
        r"(?P<above>\d+\.\d+)/(?P<below>(?:4|5|10|20|100)(?:\.0)?)",
        lambda m: f"{number(m['above'])} out of {number(m['below'])}",
    ),
    _rule(r"(?P<width>\d+)x(?P<height>\d+)", lambda m: f"{_integer(m['width'])} by {_integer(m['height'])}"),
    _EXPRESSION,
    _rule(rf"(?P<sign>[<>]=|[~≈<>≤≥±+])(?P<what>{QUANTITY}(?:[-–]{QUANTITY})?)", _around),
    _rule(rf"(?P<what>{QUANTITY})\+", lambda m: f"{_said(m['what'])} plus"),
    _rule(
        rf"(?P<amount>{NUMBER})(?: |(?P<hyphen>-)(?!x))?(?P<unit>{UNIT}){_SHARE}",
        forms.measure,
    ),
    _rule(rf"(?P<amount>{SIGN}?\d{{2,3}})(?P<unit>[CF])", lambda m: _said(f"{m['amount']}°{m['unit']}")),
    _rule(rf"(?P<number>{NUMBER}[eE][-−+]?\d{{1,3}})", lambda m: forms.scientific(m["number"])),
    # numbers by themselves
    _rule(r"(?P<year>1[1-9]\d\d|20\d\d)['’]s", lambda m: f"{year(int(m['year']))}'s"),
    _rule(r"(?P<number>\d+)(?:st|nd|rd|th)", lambda m: ordinal(int(m["number"][-LARGEST:]))),
    _rule(rf"(?P<number>{NUMBER})", lambda m: _integer(m["number"])),
    _rule(r"#(?P<number>\d{1,15})", lambda m: "number " + cardinal(int(m["number"]))),
    _rule(r"(?P<count>\d{1,2}):(?P<other>\d{1,2})", lambda m: f"{number(m['count'])} to {number(m['other'])}"),
    # signs
    _rule(r"#(?P<tag>_*[^\W\d_]\w*)", lambda m: "hashtag " + plain(m["tag"].replace("_", " ").strip())),
    _rule(
        rf"{_OPERAND_BEFORE}[-−–](?={_OPERAND}\S*(?: (?:[-+*/=×÷−–<>]|is\b|equals\b)|$))",
        lambda m: "minus",
    ),
    _rule(rf"(?<=\d )[-–](?= (?:{MONTH}) \d)", lambda m: "to"),
    _rule(rf"{_OPERAND_BEFORE}/(?={_OPERAND})", lambda m: "divided by"),
    _rule(r"(?<=[a-z] )>(?= [A-Z][a-z])", lambda m: "then"),
    _rule(r"(?<!\d )·(?! \d)", lambda m: ""),
    _DOTTED,
]
"""For what begins with no letter."""

WORD_RULES = [
    *_ADDRESSES,
    # dates
    _rule(rf"(?P<low>{_NAMES})(?: [-–] |[-–])(?P<high>{_NAMES})", _names),
    _rule(
        rf"(?P<month>{MONTH}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:[-–](?P<last>\d{{1,2}}))?(?:,? (?P<year>\d{{4}}))?",
        forms.date,
    ),
    _rule(rf"(?P<month>{MONTH}),? (?P<year>1[1-9]\d\d|20\d\d)", forms.date),
    # what belongs to a number
    _MONEY,
    _rule(r"v(?P<version>\d+(?:\.\d+)+)", lambda m: f"v {number(m['version'])}"),
    _rule(r"[Nn]o\. ?(?P<number>\d{1,15})", lambda m: "number " + cardinal(int(m["number"]))),
    _rule(r"(?P<grade>[A-F])[-−]", lambda m: f"{m['grade']} minus"),
    _rule(r"(?P<pages>pp?)\.(?= \d)", lambda m: "page" if m["pages"] == "p" else "pages"),
    _rule(rf"(?P<what>[a-z]+s|[kMGT]?B)/(?P<share>{any_of(SHARES)})", _shared),
    _rule(r"(?P<zone>GMT|UTC)(?P<sign>[-−–+])(?P<hours>\d[\d:]*)", _zone),
    _rule(
        r"(?:[Cc]all|[Dd]ial|[Tt]ext|[Pp]hone)(?:ing|ed)? (?:911|988|112|999|111|000)(?: or (?:911|988|112|999))*",
        forms.by_digit,
    ),
    _rule(rf"(?:{'|'.join(STATES)}) \d{{5}}(?:-\d{{4}})?", forms.by_digit),
    # Roman numerals
    _rule(
        rf"(?P<what>{any_of(NUMBERED)}) (?P<numeral>{ROMAN})(?!{PRONOUN})",
        lambda m: f"{m['what']} {cardinal(roman(m['numeral']))}",
    ),
    _rule(
        rf"(?P<name>(?:(?:{any_of(TITLES)}) [A-Z][a-z]+|(?:{any_of(FIRST_NAMES)}))(?: [A-Z][a-z]+)?) "
        rf"(?P<numeral>{ROMAN})(?!{PRONOUN})",
        lambda m: f"{m['name']} the {ordinal(roman(m['numeral']))}",
    ),
    _rule(
        rf"(?P<name>[A-Z][a-z]+) (?P<numeral>(?=[IVX]{{2}}){ROMAN})",
        lambda m: f"{m['name']} {cardinal(roman(m['numeral']))}",
    ),
    # abbreviations
    _rule(r"(?P<letter>[A-Z])\.(?= [A-Z])", lambda m: m["letter"]),
    _rule(r"Dr\.(?= [A-Z])", lambda m: "Doctor"),
    _rule(r"Dr\.", lambda m: "Drive"),
    _rule(r"St\.(?= [A-Z])", lambda m: "Saint"),
    _rule(r"St\.", lambda m: "Street"),
    _rule(rf"(?P<month>{'|'.join(month[:3] for month in MONTHS if month != 'May')}|Sept)\.", forms.date),
    _rule(rf"(?P<short>{any_of(ABBREVIATIONS)})", lambda m: ABBREVIATIONS[m["short"]]),
    _rule(
        r"(?P<letters>(?:[A-Za-z]\.|[A-Z][a-z]\.){2,}(?:[A-Za-z](?<!s))?)(?P<s>'s|’s|s)?(?P<based>(?:-\w+)*)", _initials
    ),
    _EXPRESSION,
    _DOTTED,
]
"""For what begins with a letter."""
