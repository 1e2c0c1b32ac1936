"""Normalization: spells out numbers, dates, money, units, abbreviations and symbols as a person would say them.

The rules stand in tables, and the first that fits wins. A rule is a pattern for text between two spaces, without the
brackets, quotes and marks around it, and a function that returns its spoken form, or None to try the next rule.
"""

import re
import unicodedata

from tts.frontend.english import designations, forms, identifiers
from tts.frontend.english.forms import Match
from tts.frontend.english.number_words import LARGEST, cardinal, digits, number, ordinal, roman, year
from tts.frontend.english.patterns import (
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
from tts.frontend.english.rules import AFTER, DASHES, MARKS, OPENING, Rule, first_mark, rule
from tts.frontend.english.vocabulary import (
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
from tts.synthesizer import Word

MONTH = "May|" + "|".join(f"{month}|{month[:3]}\\.?" for month in MONTHS if month != "May") + r"|Sept\.?"

_ANY = re.compile(rf"(?P<core>\S*?)(?P<after>{AFTER})(?!\S)")
_FIRST = re.compile(rf"(?=\S)[{re.escape(OPENING)}]*(?P<first>\S?)")
_ORDINAL_OR_DECADE = re.compile(rf"(?:\d+(?:st|nd|rd|th)|[12]\d\d0s|'?[2-9]0s)(?!{LETTER})")
_PIECES = re.compile(
    rf"[{CURRENCY_SIGNS}](?=\d){UNSIGNED}|{_ORDINAL_OR_DECADE.pattern}|(?=\d){UNSIGNED}|[{VULGAR}]|⁻?[⁰¹²³⁴-⁹]+|{GREEK_LETTER}"
    rf"|{LETTER}+(?:['-]{LETTER}+)*'?|[{GREEK}]+|{any_of(sign for sign in SYMBOLS if len(sign) > 1)}|\S"
)
_LOWER = re.compile(" [a-z]")
_SIMPLER = str.maketrans("‘’₀₁₂₃₄₅₆₇₈₉", "''0123456789")


def spoken_words(text: str, before: str = "") -> list[Word]:
    """Cut `text` into units that are each said as one. No unit's `written` is empty.

    `before` is the text before it, which may show what a number means ("Your PIN is:") and is not returned.

    A mark at which a person pauses stays at the end of `spoken`. Besides `MARKS`, `spoken` contains only letters,
    apostrophes, hyphens and single spaces; it is empty for text that has no spoken form.
    """
    words: list[Word] = []
    position = len(before) + 1 if before else 0
    text = f"{before} {text}" if before else text
    while found := _FIRST.search(text, position):
        rules = WORD_RULES if found["first"].isalpha() else NUMBER_RULES
        word, position = _unit(text, found.start(), rules)
        if not word.spoken and words and words[-1].spoken:
            # A dash, or the mark after an emoji.
            mark = "," if word.written in DASHES else first_mark(word.written)
            words[-1] = paused(words[-1], mark)
        words.append(word)
    return words


def _unit(text: str, start: int, rules: list[Rule]) -> tuple[Word, int]:
    """The unit that begins at `start`, and the position of its end."""
    for candidate in rules:
        if (match := candidate.pattern.match(text, start)) and (said := candidate.say(match)) is not None:
            break
    else:
        match = _ANY.match(text, start)
        assert match is not None
        said = plain(match["core"])
    mark = first_mark(match["after"])
    if mark == "." and _LOWER.match(text, match.end()):
        mark = ""  # It belongs to an abbreviation: 2 tsp. salt
    return Word(match.group(), said + mark if said else ""), match.end()


def paused(word: Word, mark: str = ",") -> Word:
    """`word` with `mark` appended to its spoken form, unless that already ends in a mark."""
    return word if word.spoken.endswith(tuple(MARKS)) else Word(word.written, word.spoken + mark)


def plain(core: str) -> str:
    """Spoken form of text that no rule matches: letters stay, numbers and symbols become words."""
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
        return _said("'" + piece.strip("'"))  # The 30s of mid-30s are not seconds.
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
    """Spoken form of a part of a unit, by the rules."""
    return " ".join(word.spoken.rstrip(MARKS) for word in spoken_words(text) if word.spoken)


def _range(match: Match) -> str | None:
    """Say a range; a unit that both ends have is said once."""
    low, high, after = match["low"], match["high"], match.string[match.end("high") :]
    if re.match(" ?=", after) or (match["dash"].startswith(" ") and not _is_range(low, match["dash"], high, after)):
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


def _is_range(low: str, dash: str, high: str, after: str) -> bool:
    """Whether a dash between spaces means "to", not minus or a pause. `after` is the text after the range."""
    bare = r"[\d,]*\.?\d+"
    if re.fullmatch(bare, low) and re.fullmatch(bare, high):
        continues = "-" not in dash or re.match(rf" (?!is\b|equals\b){LETTER}", after)
        return bool(continues) and float(low.replace(",", "")) < float(high.replace(",", ""))
    return "x" not in low + high or "-" not in dash


def _names(match: Match) -> str:
    """Say a range of months or weekdays."""
    return " to ".join(
        next(name for name in (*MONTHS, *WEEKDAYS) if name.startswith(match[end][:3])) for end in ("low", "high")
    )


def _around(match: Match) -> str:
    sign = {"~": "about"} | SYMBOLS
    return f"{sign[match['sign']]} {_said(match['what'])}"


def _address(match: Match) -> str:
    """Say a web or mail address without its scheme, "www." and path."""
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
    """Say arithmetic, in which a hyphen is a minus sign and a slash a division; None if the text is not arithmetic."""
    text = match["expression"]
    before, after = match.string[: match.start("expression")], match.string[match.end() :]
    if not (_EVIDENT.search(text) or _FOLLOWED.match(after) or _PRECEDED.search(before)):
        return None
    if re.fullmatch(f"{NUMBER}{UNIT}", text) and not text.endswith("x"):
        return None
    return plain(re.sub(r"(?<=[\w)])/(?=[\w(])", "÷", re.sub("[-–]", "−", text)))


def _shared(match: Match) -> str:
    """Say a unit with a slash and no number: "miles/hour"."""
    return match["what"] + forms.share(match)


def _zone(match: Match) -> str:
    return f"{match['zone']} {'plus' if match['sign'] == '+' else 'minus'} {_said(match['hours'])}"


_DOMAINS = "com|org|net|edu|gov|io|ai|dev|app|info|uk|de|fr|eu"
"""Top-level domains that mark an address without a scheme or "www."."""
_NAMES = f"(?:{MONTH}|" + "|".join(f"{day}|{day[:3]}\\.?|{day[:4]}\\.?" for day in WEEKDAYS) + ")"
_OPERAND_BEFORE = r"(?:(?<=[\d)²³] )|(?<=\b[a-zA-Z] )|(?<=\d[a-zA-Z] ))"
_OPERAND = r" ?(?:[\d(]|[a-zA-Z](?![a-zA-Z]))"
"""A sign after `_OPERAND_BEFORE` and before `_OPERAND` is arithmetic."""
_UNIT_NAMES = {*UNITS.values(), *((one, many) for one, many, _, _ in CURRENCIES.values())}

_SHARE = f"(?:/(?P<share>{PER}))?"

_ADDRESSES = [
    rule(r"(?P<scheme>[a-z]+://|www\.)(?P<host>[\w.-]+\w)(?P<path>[:/?#]\S*?)?", _address),
    rule(rf"(?P<host>(?:[\w-]+\.)+(?:{_DOMAINS}))(?P<path>[:/?#]\S*?)?", _address),
    rule(r"(?P<host>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)", _address),
]
_MONEY = rule(
    rf"(?P<minus>{SIGN})?(?P<sign>{CURRENCY})(?P<amount>{UNSIGNED})(?:[ -]?(?P<scale>{SCALE}))?{_SHARE}",
    forms.money,
)
_EXPRESSION = rule(rf"(?P<expression>(?=\S*?\w){_TERM}+)", _expression)
_DOTTED = rule(r"(?P<name>[\w-]*[^\W\d_][\w-]*(?:\.[\w-]+)+)", _dotted)

NUMBER_RULES = [
    *_ADDRESSES,
    # numbers that identify or designate
    rule(identifiers.SHAPED, identifiers.shaped),
    rule(identifiers.PHONE, identifiers.phone),
    rule(identifiers.RUN, identifiers.by_context),
    rule(identifiers.CODE, identifiers.by_context),
    rule(r"\d{1,3}(?:\.\d{1,3}){3}", identifiers.ip_address),
    rule(r"[1-9]\d{6,14}", identifiers.counted),
    rule(designations.LETTERED, designations.lettered),
    rule(designations.VERSION, designations.version),
    rule(designations.STREET, designations.street),
    rule(designations.DAY, designations.day),
    rule(r"10\d\d", designations.early_year),
    # dates
    rule(rf"(?P<day>\d{{1,2}})(?:[-–](?P<last>\d{{1,2}}))? (?P<month>{MONTH})(?: (?P<year>\d{{4}}))?", forms.date),
    rule(
        r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
        r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::\d\d(?:\.\d+)?)?(?P<zone>Z|\+00:00)?)?",
        forms.numeric_date,
    ),
    rule(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d\d)", forms.numeric_date),
    rule(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})", forms.numeric_date),
    # ranges, and times
    rule(rf"(?P<low>{QUANTITY})(?P<dash> [-–] |[-–—])(?P<high>{QUANTITY})(?:-(?P<size>[a-z]+))?", _range),
    rule(
        r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?: ?(?P<half>[ap]\.?m\b\.?))?",
        forms.clock_time,
        re.IGNORECASE,
    ),
    rule(r"(?P<hour>1[0-2]|[1-9])(?P<minute>) ?(?P<half>[ap]\.?m\b\.?)", forms.clock_time, re.IGNORECASE),
    rule(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d)", forms.time_to_the_second),
    rule(r"\d+ ?h ?\d+ ?m(?: ?\d+ ?s)?|\d+ ?m ?\d+ ?s", forms.duration),
    rule(r"(?P<number>[12]\d\d0|\d{1,3})['’]?s", forms.decade),
    # amounts, fractions
    _MONEY,
    rule(
        rf"(?P<minus>{SIGN})?(?P<amount>{UNSIGNED})(?: ?(?P<scale>{SCALE}))? ?(?P<sign>[{CURRENCY_SIGNS}]){_SHARE}",
        forms.money,
    ),
    rule(
        r"(?P<feet>\d{1,2})['′’](?P<inches>\d{1,2})[\"”″]?", lambda m: f"{number(m['feet'])} foot {number(m['inches'])}"
    ),
    rule(r"(?P<amount>\d+(?:\.\d+)?)(?P<mark>[\"”″'′])", forms.inches),
    rule(
        rf"(?P<minus>{SIGN})?(?:(?:(?P<whole>\d{{1,3}})[ -])?(?P<above>\d{{1,3}})[/⁄](?P<below>\d{{1,3}})"
        rf"|(?P<count>\d{{1,3}})? ?(?P<vulgar>[{VULGAR}]))(?: ?(?P<unit>{UNIT})|-(?P<size>[a-z]+))?",
        forms.ratio,
    ),
    rule(
        r"(?P<above>\d+\.\d+)/(?P<below>(?:4|5|10|20|100)(?:\.0)?)",
        lambda m: f"{number(m['above'])} out of {number(m['below'])}",
    ),
    rule(r"(?P<width>\d+)x(?P<height>\d+)", lambda m: f"{_integer(m['width'])} by {_integer(m['height'])}"),
    _EXPRESSION,
    rule(rf"(?P<sign>[<>]=|[~≈<>≤≥±+])(?P<what>{QUANTITY}(?:[-–]{QUANTITY})?)", _around),
    rule(rf"(?P<what>{QUANTITY})\+", lambda m: f"{_said(m['what'])} plus"),
    rule(
        rf"(?P<amount>{NUMBER})(?: |(?P<hyphen>-)(?!x))?(?P<unit>{UNIT}){_SHARE}",
        forms.measure,
    ),
    rule(rf"(?P<amount>{SIGN}\d|{SIGN}?\d{{2,3}})(?P<unit>[CF])", lambda m: _said(f"{m['amount']}°{m['unit']}")),
    rule(rf"(?P<number>{NUMBER}[eE][-−+]?\d{{1,3}})", lambda m: forms.scientific(m["number"])),
    # numbers by themselves
    rule(r"(?P<year>1[1-9]\d\d|20\d\d)['’]s", lambda m: f"{year(int(m['year']))}'s"),
    rule(r"(?P<number>\d+)(?:st|nd|rd|th)", lambda m: ordinal(int(m["number"][-LARGEST:]))),
    rule(rf"(?P<number>{NUMBER})", lambda m: _integer(m["number"])),
    rule(r"#(?P<number>\d{1,15})", lambda m: "number " + cardinal(int(m["number"]))),
    rule(r"(?P<count>\d{1,2}):(?P<other>\d{1,2})", lambda m: f"{number(m['count'])} to {number(m['other'])}"),
    # signs
    rule(r"#(?P<tag>_*[^\W\d_]\w*)", lambda m: "hashtag " + plain(m["tag"].replace("_", " ").strip())),
    rule(
        rf"{_OPERAND_BEFORE}[-−–](?={_OPERAND}\S*(?: (?:[-+*/=×÷−–<>]|is\b|equals\b)|$))",
        lambda m: "minus",
    ),
    # 20 apples - 5 apples = 15 apples
    rule(r"(?<=[a-z] )[-−–](?= \d[\d.,]*(?: [a-z]+){0,2} (?:[-+*×−–=] \d|equals\b))", lambda m: "minus"),
    rule(rf"(?<=\d )[-–](?= (?:{MONTH}) \d)", lambda m: "to"),
    rule(rf"{_OPERAND_BEFORE}/(?={_OPERAND})", lambda m: "divided by"),
    rule(r"(?<=[a-z] )>(?= [A-Z][a-z])", lambda m: "then"),
    rule(r"(?<!\d )·(?! \d)", lambda m: ""),
    _DOTTED,
]
"""Rules for units that do not begin with a letter."""

WORD_RULES = [
    *_ADDRESSES,
    # identifiers
    rule(identifiers.SHAPED, identifiers.shaped),
    rule(identifiers.CODE, identifiers.by_context),
    # dates
    rule(rf"(?P<low>{_NAMES})(?: [-–] |[-–])(?P<high>{_NAMES})", _names),
    rule(
        rf"(?P<month>{MONTH}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:[-–](?P<last>\d{{1,2}}))?(?:,? (?P<year>\d{{4}}))?",
        forms.date,
    ),
    rule(rf"(?P<month>{MONTH}),? (?P<year>1[1-9]\d\d|20\d\d)", forms.date),
    # words that belong to a number
    _MONEY,
    rule(r"v(?P<version>\d+(?:\.\d+)+)", lambda m: f"v {number(m['version'])}"),
    rule(r"[Nn]o\. ?(?P<number>\d{1,15})", identifiers.numbered),
    rule(r"(?P<grade>[A-F])[-−]", lambda m: f"{m['grade']} minus"),
    rule(r"(?P<pages>pp?)\.(?= \d)", lambda m: "page" if m["pages"] == "p" else "pages"),
    rule(rf"(?P<what>[a-z]+s|[kMGT]?B)/(?P<share>{any_of(SHARES)})", _shared),
    rule(r"(?<=\d )(?P<what>[a-z]+s)/(?P<share>[a-z]+(?<!s))", _shared),
    rule(r"(?P<zone>GMT|UTC)(?P<sign>[-−–+])(?P<hours>\d[\d:]*)", _zone),
    rule(
        r"(?:[Cc]all|[Dd]ial|[Tt]ext|[Pp]hone)(?:ing|ed)? (?:911|988|112|999|111|000)(?: or (?:911|988|112|999))*",
        forms.by_digit,
    ),
    rule(rf"(?:{'|'.join(STATES)}) \d{{5}}(?:-\d{{4}})?", forms.by_digit),
    # Roman numerals
    rule(
        rf"(?P<what>{any_of(NUMBERED)}) (?P<numeral>{ROMAN})(?!{PRONOUN})",
        lambda m: f"{m['what']} {cardinal(roman(m['numeral']))}",
    ),
    rule(
        rf"(?P<name>(?:(?:{any_of(TITLES)}) [A-Z][a-z]+|(?:{any_of(FIRST_NAMES)}))(?: [A-Z][a-z]+)?) "
        rf"(?P<numeral>{ROMAN})(?!{PRONOUN})",
        lambda m: f"{m['name']} the {ordinal(roman(m['numeral']))}",
    ),
    rule(
        rf"(?P<name>[A-Z][a-z]+) (?P<numeral>(?=[IVX]{{2}}){ROMAN})",
        lambda m: f"{m['name']} {cardinal(roman(m['numeral']))}",
    ),
    # abbreviations
    rule(r"(?P<letter>[A-Z])\.(?= [A-Z])", lambda m: m["letter"]),
    rule(r"Dr\.(?= [A-Z])", lambda m: "Doctor"),
    rule(r"Dr\.", lambda m: "Drive"),
    rule(r"St\.(?= [A-Z])", lambda m: "Saint"),
    rule(r"St\.", lambda m: "Street"),
    rule(rf"(?P<month>{'|'.join(month[:3] for month in MONTHS if month != 'May')}|Sept)\.", forms.date),
    rule(rf"(?P<short>{any_of(ABBREVIATIONS)})", lambda m: ABBREVIATIONS[m["short"]]),
    rule(
        r"(?P<letters>(?:[A-Za-z]\.|[A-Z][a-z]\.){2,}(?:[A-Za-z](?<!s))?)(?P<s>'s|’s|s)?(?P<based>(?:-\w+)*)", _initials
    ),
    _EXPRESSION,
    _DOTTED,
]
"""Rules for units that begin with a letter."""
