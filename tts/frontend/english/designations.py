"""Numbers that designate one thing among many: seats and rooms, versions, house numbers, days without a year."""

import re

from tts.frontend.english.number_words import cardinal, number, ordinal, year
from tts.frontend.english.vocabulary import MONTHS, WEEKDAYS

Match = re.Match[str]

LETTERED = r"\d{1,4}(?:[A-Z](?:[A-Z]|/[A-Z])?|[a-z])"
"""The number of a seat, a room or a bus: 14C, 9W."""
VERSION = r"\d+(?:\.\d+)+(?:[a-z]\d*|\.x)?"
STREET = (
    r"\d{1,5}(?P<letter>[A-Z])? (?P<side>[NSEW]|NE|NW|SE|SW)\.?(?= (?:[A-Z][\w.]+ ){0,2}"
    r"(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Boulevard|Dr|Drive|Ln|Lane|Way|Pl|Place|Ct|Court"
    r"|Broadway|\d+(?:st|nd|rd|th))\b)"
)
DAY = r"(?P<month>0?[1-9]|1[0-2])/(?P<day>\d{1,2})"

_SIDES = {"N": "North", "S": "South", "E": "East", "W": "West"}
_PLACES = (
    r"seats?|rows?|rooms?|gates?|apartments?|apt\.?|units?|suites?|flats?|platforms?|tracks?|terminals?|buildings?|blocks?"
    r"|levels?|exits?|bus(?:es)?|trams?|trains?|lines?|routes?|lockers?|tables?|stands?|bays?|aisles?|halls?|lots?|zones?"
    r"|sections?|box(?:es)?|flights?|forms?|pages?|figures?|questions?|chapters?|grades?|class(?:es)?|channels?|models?"
    r"|highways?|piers?|berths?|cabins?|wards?|doors?|slots?|shelf|bins?|spots?|stalls?|sites?|studio|office|house|number"
    r"|entrance|sizes?|stop|pitch|tower|wing|booth|desk|counter|carousel|airline|carrier|squad|group|team|period|schedule|article"
)
_NEXT_IN_LIST = r"(?:(?:is|are|:|#|number|no\.) ?|[\w/]+(?:,? (?:and|or|to|through|then)|,|[-–]) ?)*"
_AFTER_PLACE = re.compile(rf"\b(?:{_PLACES}),? {_NEXT_IN_LIST}$")
_SEATED = re.compile(
    r"\b(?:sit|sits|sitting|seated|sat|moved?|window|aisle|middle|assigned|board(?:ing)?)(?: [a-z]+){0,3} $"
)
_HOME = re.compile(r"\b(?:apartment|apt\.?|flat|unit|house|room|suite|number|no\.) $")
"""Words after which a lower-case letter belongs to the number: flat 12a."""
_SOFTWARE = (
    r"versions?|releases?|update|firmware|build|driver|kernel|revision|rev\.?|patch|python|ios|ipados|android"
    r"|watchos|windows|ubuntu|debian|fedora|node(?:\.js)?|java|ruby|php|go|golang|rust|django|react|angular|vue|rails"
    r"|macos|mac os|chrome|firefox|safari|postgres(?:ql)?|mysql|sqlite|mongodb|redis|typescript|kubernetes|docker|cuda"
    r"|pytorch|tensorflow|numpy|pandas|\.net|swift|kotlin|gpt|claude|llama|qwen|gemini|mistral|usb|bluetooth|https?|tls|hdmi"
    r"|pcie?|directx|opengl|vulkan|linux|sections?|chapters?|figures?|fig\.|tables?|exercises?|equations?|theorems?"
    r"|articles?|clauses?|paragraphs?|appendix|steps?|lemma|listing|level|part|item|rule|c\+\+|excel|word|office"
    r"|photoshop|blender|unity|unreal|minecraft|fortnite|gcc|clang"
)
_AFTER_SOFTWARE = re.compile(
    rf"(?:^|(?<![\w.]))(?:{_SOFTWARE}),? (?:is |was |to |from |number |{VERSION}(?:,? (?:and|or|to) |, |[-–/]))*$"
)
_DATED = re.compile(
    r"\b(?:on|by|until|till|since|dated?|due|before|after|from|through|starting|starts|begins|beginning|ending|ends"
    rf"|effective|arriv\w+|depart\w+|between|deadline|as of|{'|'.join(WEEKDAYS)}"
    r"|(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)\.?"
    r"|birthday|anniversary|appointment|meeting|meet|see you|moved to|scheduled(?: for)?"
    r"|exam|wedding|reservation|booked(?: for)?)"
    r"(?: (?:is|was|on|of|for))?[,:]? (?:(?:\d{1,2}/\d{1,2})(?: (?:to|and|or|through|until) |, ))*$",
    re.IGNORECASE,
)
_NO_DENOMINATORS = (13, 14, 15, 17, 18, 19, 21, 22, 23, 26, 27, 28, 29, 30, 31)
"""Days that nobody divides by."""
_SHARED = re.compile(
    r" (?:of\b|cups?\b|inch|teaspoon|tablespoon|tsp|tbsp|mile|pound|lb|oz|full\b|majority|vote)|-[a-z]"
)
_IN_YEAR = re.compile(r"\b(?:in|since|until|year|circa|by|of|from|before|after|AD)\.? $", re.IGNORECASE)
_OF_YEAR = re.compile(
    r" (?:AD|BC|CE|BCE)\b|[,.;:!?)]*$|[,;] |\.(?: |$)"
    r"| (?:[a-z]*ed|when|and|the|he|she|they|it|was|to|by|at|after|[A-Z]\w*)\b"
)


def lettered(match: Match) -> str | None:
    """Say the number of a seat, room or bus; None if nothing around it shows that it is one."""
    text, after = match["rest"], match.string[match.end("rest") :]
    before = match.string[max(0, match.start("rest") - 60) : match.start("rest")].lower()
    if text[-1].islower():
        if not _HOME.search(before):
            return None
    elif not (
        _AFTER_PLACE.search(before)
        or _SEATED.search(before)
        or (re.search(r"\bin $", before) and re.match(r"[.,;!?)]|$| (?:at|and|next|with|for|is)\b", after))
        or (re.search(r"\bseats?\b", before) and text[-1] in "ABCDEFGHJKL")
    ):
        return None
    letters = re.sub(r"[\d/]", "", text)
    figures = re.match(r"\d+", text)
    assert figures is not None
    return f"{number(figures.group())} {' '.join(letters)}"


def version(match: Match) -> str | None:
    """Say a version or a section, 3.12 as "three point twelve"; None where the number is a decimal."""
    before = match.string[max(0, match.start("rest") - 60) : match.start("rest")].lower()
    if not _AFTER_SOFTWARE.search(before):
        return None
    parts = re.findall(r"\d+|[a-z]", match["rest"])
    said = [parts[0] if parts[0].isalpha() else cardinal(int(parts[0]))]
    for part in parts[1:]:
        if part.isalpha():
            said.append("X" if part == "x" else part.upper())
        elif said[-1].isupper():
            said.append(number(part))
        else:
            said.append(f"point {_part(part)}")
    return " ".join(said).replace(" X", " point X")


def _part(text: str) -> str:
    if len(text) > 1 and text[0] == "0":
        return "oh " + number(text[1:]) if len(text) == 2 and text[1] != "0" else number(text)
    return number(text)


def street(match: Match) -> str:
    """Say a house number before a side of the town: 350 W 42nd Street."""
    figures = re.match(r"\d+", match["rest"])
    assert figures is not None
    sides = " ".join(_SIDES[side] for side in match["side"])
    house = number(figures.group()) + (f" {match['letter']}" if match["letter"] else "")
    return f"{house} {sides}"


def day(match: Match) -> str | None:
    """Say a day without a year, 12/25, as a month and a day; None where it is a fraction or a rating."""
    before, after = (
        match.string[max(0, match.start("rest") - 60) : match.start("rest")],
        match.string[match.end("rest") :],
    )
    if re.search(
        r"\b(?:expir\w*|exp\.?|valid (?:thru|until|through))(?: (?:date|is|in|on|:))*:? $", before, re.IGNORECASE
    ):
        return f"{MONTHS[int(match['month']) - 1]} {year(2000 + int(match['day']))}" if len(match["day"]) == 2 else None
    named = _DATED.search(before) or match["month"][0] == "0" or match["day"][0] == "0"
    named = named or int(match["day"]) in _NO_DENOMINATORS
    if not named or _SHARED.match(after) or not 1 <= int(match["day"]) <= 31 or match["rest"] == "9/11":
        return None
    return f"{MONTHS[int(match['month']) - 1]} {ordinal(int(match['day']))}"


def early_year(match: Match) -> str | None:
    """Say 1066 as a year after "in" and the like; None where it counts something."""
    before, after = match.string[: match.start("rest")], match.string[match.end("rest") :]
    return year(int(match["rest"])) if _IN_YEAR.search(before[-20:]) and _OF_YEAR.match(after) else None
