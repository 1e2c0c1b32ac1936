"""Spoken forms of dates, times, money and fractions, from the parts that a rule of `normalization` has matched.

A function returns None if the match turns out to be something else.
"""

import re
import unicodedata

from tts.frontend.english.number_words import cardinal, digits, fraction, number, ordinal, plural, with_point, year
from tts.frontend.english.vocabulary import CURRENCIES, MONTHS, SCALES, UNITS

Match = re.Match[str]

IDIOMS = {"24/7": "twenty-four seven", "50/50": "fifty fifty", "9/11": "nine eleven"}
SCORES = (5, 10, 20, 50, 100)
"""Maximum scores of common rating scales."""


def date(match: Match) -> str:
    """Say a date with a month's name: "March 5, 2024", "5-7 March", "Jan 2025"."""
    parts = match.groupdict()
    said = next(name for name in MONTHS if name.startswith(match["month"][:3]))
    if parts.get("day"):
        said += f" {ordinal(int(parts['day']))}"
    if parts.get("last"):
        said += f" to {ordinal(int(parts['last']))}"
    if parts.get("year"):
        said += ("," if parts.get("day") else "") + f" {year(int(parts['year']))}"
    return said


def numeric_date(match: Match) -> str | None:
    """Say a date in digits: "3/5/24", "25/12/2024", "2024-11-05T14:30Z". None if there is no such day."""
    month, day = int(match["month"]), int(match["day"])
    if month > 12 and "/" in match.group():
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    the_year = int(match["year"])
    if the_year < 100:
        the_year += 2000 if the_year < 50 else 1900
    said = f"{MONTHS[month - 1]} {ordinal(day)}, {year(the_year)}"
    if match.groupdict().get("hour"):
        said += f" at {clock_time(match)}" + (" UTC" if match["zone"] else "")
    return said


def clock_time(match: Match) -> str:
    """Say a time of day: "10:30 a.m.", "9 PM", "0:00"."""
    hour, minute = int(match["hour"]), match["minute"]
    half = re.sub(r"[^apm]", "", (match.groupdict().get("half") or "").lower()).upper()
    if not minute or int(minute) == 0:
        said = cardinal(hour) if half else "midnight" if hour == 0 else f"{cardinal(hour)} o'clock"
    else:
        said = f"{cardinal(hour)} {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    return f"{said} {half}".strip()


def time_to_the_second(match: Match) -> str:
    """Say a time with seconds: "10:30:15"."""
    return f"{clock_time(match)} and {plural(match['second'].lstrip('0') or '0', 'second', 'seconds')}"


def duration(match: Match) -> str:
    """Say a duration: "2h 30m" is "two hours thirty minutes"."""
    names = {"h": ("hour", "hours"), "m": ("minute", "minutes"), "s": ("second", "seconds")}
    return " ".join(plural(count, *names[unit]) for count, unit in re.findall(r"(\d+) ?([hms])", match.group()))


def decade(match: Match) -> str | None:
    """Say a decade or a round number in the plural: "the 1990s", "'80s", "in his 30s", "10s of".

    None for "30s" elsewhere, which are seconds.
    """
    text, number_ = match.string, match["number"]
    before, after = text[: match.start("number")], text[match.end("number") :]
    counted = re.search(r"(?:\b(?:the|his|her|their|my|our|your|early|late|mid)[ -]|['’])$", before)
    counted = counted or re.match("['’]?s of ", after)
    famous = number_ in ("70", "80", "90") and not re.search(r"\b(?:for|after|every|within|in) $", before)
    if len(number_) < 4 and not counted and not famous:
        return None
    said = (year(int(number_)) if len(number_) == 4 else cardinal(int(number_))).removeprefix("one ")
    if said.endswith("y"):
        return said.removesuffix("y") + "ies"
    return said + ("es" if said.endswith("x") else "s")


def money(match: Match) -> str:
    """Say an amount of money: "$5.50", "-€1,000", "$5 million", "$20/month"."""
    amount, scale = with_point(match["amount"]), match["scale"]
    minus = "minus " if match["minus"] else ""
    one, many, cent, cents = CURRENCIES[match["sign"]]
    if scale:
        return f"{minus}{number(amount)} {SCALES[scale.lower()]} {many}{share(match)}"
    whole, _, rest = amount.partition(".")
    if len(rest) != 2 or not cent:
        return minus + plural(amount, one, many) + share(match)
    parts = [plural(whole, one, many)] if whole.strip("0") else []
    if rest.strip("0"):
        parts.append(plural(rest.lstrip("0"), cent, cents))
    return minus + (" and ".join(parts) or plural("0", one, many)) + share(match)


def measure(match: Match) -> str:
    """Say an amount with a unit: "5 km", "5 km/h", "a 5-km run"."""
    one, many = UNITS[match["unit"]]
    return plural(match["amount"], one, one if match["hyphen"] else many) + share(match)


def share(match: Match) -> str:
    """The unit after a slash, "per month" for "$20/month"; "" if there is no slash."""
    of = match["share"]
    return f" per {UNITS.get(of, (of,))[0]}" if of else ""


def ratio(match: Match) -> str:
    """Say a fraction: "1/2", "2 1/2", "½", "1/2 tsp", "3/4-inch". "8/10" is a rating and "10/2" a division."""
    minus = "minus " if match["minus"] else ""
    if match["vulgar"]:
        whole = match["count"]
        above, below = map(int, unicodedata.normalize("NFKC", match["vulgar"]).split("⁄"))
    else:
        whole, above, below = match["whole"], int(match["above"]), int(match["below"])
    if not whole and (idiom := IDIOMS.get(f"{above}/{below}")):
        return idiom
    if not whole and not match["vulgar"] and (said := _no_fraction(match, above, below)):
        return minus + said
    said = fraction(above, below) if 1 < below <= 20 else f"{cardinal(above)} over {cardinal(below)}"
    if whole:
        said = f"{cardinal(int(whole))} and {said.replace('one ', 'a ', 1) if above == 1 else said}"
    unit = UNITS[match["unit"]][1 if whole else 0] if match["unit"] else match["size"] or ""
    return f"{minus}{said} {unit}".strip()


def _no_fraction(match: Match, above: int, below: int) -> str:
    """Spoken form of two numbers with a slash between them that are not a fraction; "" if they are one."""
    before, after = match.string[: match.start()], match.string[match.end("rest") :]
    if below and above > below and above % below == 0:
        return f"{cardinal(above)} divided by {cardinal(below)}"
    if below == above + 1 and above >= 10:
        return f"{cardinal(above)} {cardinal(below)}"
    counts = (
        match["unit"] or match["size"] or re.match(r" of\b| [-+*/=×÷<>]", after) or re.search(r"[-+*/=×÷<>] $", before)
    )
    if below in SCORES and above != 1 and above <= below and not counts:
        return f"{cardinal(above)} out of {cardinal(below)}"
    return ""


def scientific(text: str) -> str:
    """Say a number in scientific notation: "1.6e-19"."""
    mantissa, exponent = re.split("[eE]", text)
    return f"{number(mantissa)} times ten to the power of {number(exponent.lstrip('+'))}"


def inches(match: Match) -> str:
    """Say inches or feet: 55", 6'. Without a unit if the mark closes a quotation."""
    before = match.string[: match.start("amount")]
    quoted = len(re.findall(r'(?<!\d)"', before)) % 2 == 1 or re.search(r"[“‘]|(?<!\S)'(?=\w)", before)
    unit = ("inch", "inches") if match["mark"] in '"”″' else ("foot", "feet")
    return number(match["amount"]) if quoted else f"{number(match['amount'])} {unit[match['amount'] != '1']}"


def by_digit(match: Match) -> str:
    """Say numbers digit by digit and the words between them as they are: "call 911"."""
    runs = re.findall(r"\d+|[A-Za-z]+", match["rest"])
    return " ".join(digits(run) if run.isdecimal() else run for run in runs)
