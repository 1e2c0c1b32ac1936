"""Numbers that identify rather than count, such as PINs, cards, phones and orders: said digit by digit, in groups.

Some are recognized by their form, others by the words around them: "PIN 4821", but "4821 people".
"""

import re

from tts.frontend.english.number_words import DIGITS, cardinal, digits

Match = re.Match[str]

SHAPED = (
    r"\d{4}(?P<card>[ -])\d{4}(?P=card)\d{4}(?P=card)\d{4}"  # a card
    r"|3[47]\d\d(?P<amex>[ -])\d{6}(?P=amex)\d{5}"  # an American Express card
    r"|\d{3}-\d\d-\d{4}"  # a social security number
    r"|97[89](?:-?\d){10}|97[89](?:[ -]\d{1,7}){4}"  # an ISBN
    r"|[A-Z]{2}\d\d(?: [A-Z\d]{4}){3,7}(?: [A-Z\d]{1,3})?"  # an IBAN
    r"|(?=[A-Z\d]*\d[A-Z]+\d|[A-Z\d]*[A-Z]\d+[A-Z])(?=[A-Z]*\d)[A-Z\d]{6,}"  # a booking or tracking code
)
"""Identifiers that are recognized by their form alone."""

PHONE = (
    r"\+\d[\d ().-]{5,20}\d"  # international
    r"|(?:\+?1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}|\d{3}-\d{4}"  # North America
    r"|1-8\d\d-(?=[A-Z\d-]*[A-Z])[A-Z\d]+(?:-[A-Z\d]+)*"  # a vanity number
    r"|\d{3}(?: \d\d){3}|\(\d{2,4}\) ?\d{3,5}[ -]\d{3,4}|[6-9]\d{4} \d{5}"  # Spain, Brazil, India
    r"|(?!\d\d-\d\d-\d{4}(?!\d))\(?0\d{1,4}\)?(?:[ -]\d{2,8}){1,5}|0\d{2,4}/\d{5,8}"  # national, with a trunk zero
)
"""Forms of phone numbers that are not said as amounts."""

RUN = r"\d+(?:[ –-]\d+)*"
CODE = (
    r"#?(?!(?:PIN|CVV2?|CVC|CVN|SSN|OTP|ZIP|ID|VIN|IBAN|ISBN|IMEI)\b)"
    r"(?=[A-Z –-]*\d)[A-Z\d]+(?:[–-][A-Z\d]+)*(?: (?=[A-Z]*\d)[A-Z\d]+)*"
)
"""A number, or a mixture of capitals and digits, that the words around it may make an identifier."""

_SIZES = {
    6: (3, 3),
    7: (3, 4),
    8: (4, 4),
    9: (3, 3, 3),
    10: (3, 3, 4),
    11: (3, 4, 4),
    13: (3, 3, 3, 4),
    15: (4, 4, 4, 3),
}
"""How people group a run of that many digits; other long runs are said in fours."""
_UNDIVIDED = 5
"""Digits that are said in one group."""

_ALWAYS = (
    r"pin|(?:pass|post|bar)codes?|passwords?|codes?|cv[vcn]2?|ssn|isbn|zip(?: codes?)?|iban|imei|vin|ein|otp"
    r"|social(?: security)?(?! (?:benefit|payment|check|tax))|last (?:two|three|four|five|six|\d)(?: digits)?|digits"
    r"|(?:card|account|routing|security|phone|telephone|cell|mobile|fax|contact|direct|support|emergency|whatsapp)"
    r"(?: (?:number|line)s?)?|hotline|helpline|landline|(?:license|licence|number) plates?|serial|combination"
    r"|ext(?:ension)?\.?|acct\.?|tel\.?"
)
_FILED = (
    r"order|ticket|case|invoice|reference|ref\.?|booking|claim|policy|member(?:ship)?|customer|employee|student|patient"
    r"|tracking|serial|confirmation|reservation|registration|passport|transaction|shipment|parcel|package|receipt|permit"
    r"|licen[cs]e|badge|request|incident|user|client|loan|tax|record|contract|agreement|return|batch|lot|sku|flyer|rma|po"
)
_NUMBER_OF = (
    rf"(?:{_FILED}|model|part|item|product|stock|device)"
    rf"(?: (?:number|no\.|nr\.?|code|id|identifier))|\b(?:id|identifier|number(?! of))"
)
_VERBS = r"(?:call|dial|text|phone|ring|fax|reach|message|sms)(?:s|ed|ing)?"
_FILLER = (
    r"numbers?|no\.|id|code|is|are|was|were|be|will|ending|ends|in|with|of|your|the|my|our|his|her|it|its|it's|that's|here"
    r"|this|that|as|follows|following|digits|four|at|to|on|for|reads?|starting|beginning|starts|begins|now|just|again|still"
    r"|currently|and|or|then|also|simply|enter|use|type|a|an|me|us|them|him|i|have|got|you|card|account|new|old"
    r"|one-time|temporary|key|press|file"
)
_CUE = re.compile(
    rf"\b(?P<cue>(?P<always>{_ALWAYS})(?: numbers?)?|(?P<number>{_NUMBER_OF})"
    rf"|(?P<filed>(?:{_FILED})s?)|(?P<verb>{_VERBS}))(?![a-z])"
)
_FILLED = re.compile(rf"(?:[\s:,;=#.!?\"'(–—-]|(?<![\w'])(?:{_FILLER})(?![\w'])|(?<!\w)[a-z\d]*\d[a-z\d]*(?!\w))*")
_BARE = re.compile(
    r"(?:card|account|routing|security|phone|telephone|cell|mobile|fax|contact|direct|support|emergency)"
)
"""Cues without "number", which also say what an amount is of: phone bill, card limit."""
_OWNED = re.compile(rf"\b(?:my|your|his|her|our|their|this|(?:{_FILED}),?) $")
_LAST = re.compile(r"last (?:(two|2)|(three|3)|(four|4)|(five|5)|(six|6))(?! digits)")
_LINKED = re.compile(
    r"(?:,? [\w'-]+){0,7}?,?(?: (?:is|are|was|be|as|now|(?:re)?set to|changed (?:to|from(?: [\w-]+ to)?))|[:?])[ \"'(]*"
)
_CARD = re.compile(r"\b(?:cards?|account|visa|mastercard|amex|express|debit|credit|number|phone|line)\b")
_ENDING = re.compile(r"\b(?:ending|ends|starting|starts|beginning) (?:(?:in|with|on) )?[\"'(]*$")
_COUNTED = re.compile(
    r"(?:\s*[%°]|-[a-z]| (?:a|per|each|every) [a-z]| (?:(?:or|and|to) [\d.,]+ )?(?:[a-z]+-)?"
    r"(?!(?:is|was|has|as|plus|this|thus|yes|always|unless|across|us|his|its|works|expires|opens|ends|starts|begins|belongs|means|seems|looks|needs|does|goes)\b)"
    r"(?:[a-z]{2,}(?:s|ies)|people|men|women|children|feet|percent|hundred|thousand|million|billion|km|kg|mb|gb|tb)\b)"
)
_NAMED_AFTER = re.compile(
    rf" (?:is|as|was|for) (?:the|your|my|our|a|an|his|her) (?:[\w-]+ ){{0,3}}?(?:{_ALWAYS}|{_NUMBER_OF})\b",
    re.IGNORECASE,
)
_EMERGENCY = ("911", "988", "112", "999", "111", "000", "311", "411", "211", "511", "811", "101", "110", "119")
_COUNTRY = r"(?:1|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})"
"""Country calling codes, by ITU-T E.164."""
_CONTEXT = 90
"""Characters of text before a number that are looked at."""


def shaped(match: Match) -> str:
    """Say an identifier that has one of the forms in `SHAPED`."""
    return grouped(match["rest"])


def phone(match: Match) -> str | None:
    """Say a phone number in its groups; None if it does not have 7 to 15 digits."""
    number = match["rest"]
    count = sum(map(str.isdecimal, number))
    if not (7 <= count <= 15 or re.search("[A-Z]", number)) or (number[0] in "0(" and count < 8):
        return None
    return grouped(re.sub(rf"(?<=^\+){_COUNTRY}(?=\d)", r"\g<0> ", number))


def ip_address(match: Match) -> str | None:
    """Say an IPv4 address; None for what may be a version of four parts."""
    parts = match["rest"].split(".")
    named = re.search(
        r"\b(?:IP|address|server|host|router|gateway|DNS|ping)\b[^.]*$", match.string[: match.start("rest")]
    )
    if any(int(part) > 255 for part in parts) or not (named or any(len(part) == 3 for part in parts)):
        return None
    return " dot ".join(map(digits, parts))


def counted(match: Match) -> str | None:
    """Say a long number in front of what it counts as one number: 1234567 stars."""
    return cardinal(int(match["rest"])) if _COUNTED.match(match.string[match.end("rest") :]) else None


def numbered(match: Match) -> str:
    """Say "No. 5" as "number five", and the number digit by digit where it identifies: "order no. 5567"."""
    text, before = match["number"], match.string[max(0, match.start("rest") - _CONTEXT) : match.start("rest")].lower()
    if _identifies(text, f"{before}number ", match.string[match.end("rest") :]):
        return f"number {grouped(text)}"
    return f"number {cardinal(int(text))}"


def by_context(match: Match) -> str | None:
    """Say a number or code as an identifier if the words around it make it one, else None."""
    text, start = match["rest"], match.start("rest")
    before = match.string[max(0, start - _CONTEXT) : start].lower().replace("’", "'")
    return grouped(text) if _identifies(text, before, match.string[match.end("rest") :]) else None


def _identifies(text: str, before: str, after: str) -> bool:
    if _ENDING.search(before) and _CARD.search(before):
        return True
    bare = re.sub(r"\D", "", text)
    cue = None
    for found in _CUE.finditer(before):
        cue = found
    if len(bare) >= 3 and _NAMED_AFTER.match(after):
        return True
    if cue is None:
        return text.startswith("#") and len(bare) >= 5
    between = before[cue.end() :]
    direct = not re.search(r"\b(?:is|are|was|be|of|for|to|in|and|or)\b", between)
    is_count = _COUNTED.match(after) is not None
    if re.search(r"\bof\b", between) and re.fullmatch(r"1[5-9]\d\d|20\d\d", text):
        return False
    filled, linked = _FILLED.fullmatch(between), _LINKED.fullmatch(between)
    if cue["verb"]:
        to = re.fullmatch(r" \S+ to ", between) if cue["verb"].startswith(("text", "sms")) else None
        known = len(bare) >= 5 or bare in _EMERGENCY or cue["verb"].startswith("dial")
        return bool((filled or to) and known and not is_count and not _is_amount(after))
    if not (filled or linked) or (is_count and not (direct and cue["always"] and len(bare) >= 4)):
        return False
    if cue["always"]:
        last = _LAST.fullmatch(cue["always"])
        if last is not None and last.lastindex is not None and len(bare) != last.lastindex + 1:
            return False
        if _BARE.fullmatch(cue["always"]) and (is_count or not filled):
            return False
        return not re.search(r"[.!?] (?!(?:it|it's|that's|here|this|i|you)\b)\w", between)
    if cue["number"] == "number" and not _OWNED.search(before[: cue.start()]):
        return False
    if cue["number"] or "#" in text or "#" in between:
        # Low numbers are said as people count: order number twelve.
        return len(bare) >= 3 or re.search("[A-Z]", text) is not None or (len(bare) > 1 and bare[0] == "0")
    adjacent = direct and between.strip() in ("", ":")
    return adjacent and (len(bare) >= 4 or re.search(r"[A-Z]\d|\d[A-Z]", text) is not None)


def _is_amount(after: str) -> bool:
    return re.match(r" (?:times|people|of\b|more|other)", after) is not None


def grouped(text: str) -> str:
    """The digits and capitals of `text` one by one, with a pause between groups. Long runs are divided."""
    groups: list[str] = []
    for group in re.findall(r"[A-Za-z\d]+", text):
        if group.isdecimal() and len(group) > _UNDIVIDED:
            groups += [digits(part) for part in _divided(group)]
        elif len(group) > 4 and group.isalpha():
            groups.append(group)  # the word of a vanity number
        else:
            parts = re.findall(".{1,4}", group) if len(group) > 2 * 4 else [group]
            groups += [" ".join(digits(sign) if sign.isdecimal() else sign for sign in part) for part in parts]
    return (" " if all(group in DIGITS for group in groups) else ", ").join(groups)


def _divided(run: str) -> list[str]:
    # A North American number with its country code: 1 800 555 0199.
    sizes = (
        (1, 3, 3, 4)
        if len(run) == 11 and run[0] == "1"
        else _SIZES.get(len(run), (4,) * (len(run) // 4) + ((len(run) % 4,) if len(run) % 4 else ()))
    )
    parts, start = [], 0
    for size in sizes:
        parts.append(run[start : start + size])
        start += size
    return parts
