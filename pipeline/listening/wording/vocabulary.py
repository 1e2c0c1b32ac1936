"""English words by which turn taking recognizes remarks, requests for silence and dictation, in lower case."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


REMARKS = _set("""
    good nice great cool lovely wow wonder wonderful amazing awesome brilliant interesting fascinating funny beautiful
    impressive incredible crazy sweet neat clever smart bad shame pity dear gosh goodness god true fair sense sure
    exactly indeed right correct okay ok yes yeah yep see know understand understood agree got get thank thanks
    perfect excellent fantastic super fine absolutely totally definitely congratulations bravo cheers love like point
    surprising surprise strange weird odd sad hilarious useful helpful
""")
"""Words that evaluate or acknowledge what was said."""

JOINERS = _set("""
    oh ah well so very that that's it it's is was this how what what's a an the you i i'd we they one ones no not too
    really pretty just to my much quite such of course job story idea stuff thing news for telling me all and always
    never have had heard be would never that'd man boy
""")
"""Words that add nothing to remarks."""

POLITE = _set("""
    um uh er can could would will you please just now it that this there here talking speaking a an the for me i oh no
    okay ok all right alright yeah yes so well thank thanks moment second minute sec bit right then already sir be
    that's is i'm i've said need to want don't say anything more any hey sorry listen have heard got us let's
""")
"""Words that ask for nothing besides the silence that a stopping phrase asks for."""

DIGITS = _set("zero oh one two three four five six seven eight nine double triple hundred")

ALPHABET = _set("""
    alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa
    quebec romeo sierra tango uniform victor whiskey whisky x-ray xray yankee zulu
""")
"""The spelling alphabet of aviation."""

MARKS = _set("dash hyphen dot point slash underscore plus hash star capital uppercase lowercase at")
"""Characters that are named where codes and addresses are read out."""

FUNCTION_WORDS = _set("""
    a an the of to in on at for with by from up off out me my you your he she it we they i is are was be do does not no
    please hello hi good morning evening night thank thanks yes okay what who how and or but
""")
"""Words that make a sentence rather than a list."""
