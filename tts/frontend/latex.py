"""Converts LaTeX formulas, as models write them, to plain characters that `english.normalization` can speak."""

import re

_BODY = r"(?:\\[a-zA-Z]++|\\[^a-zA-Z]|\{[^{}\\$]*+|[a-zA-Z]{1,3}+(?![a-zA-Z])|[^\\${.?!a-zA-Z]|[.?!](?!\s|$))"
"""One token inside `$...$`. A word of four letters outside braces and commands is prose after a price or variable."""
_OPENING = r"(?<![\\\w$])\$(?![\s$])"
_INLINE = re.compile(rf"{_OPENING}({_BODY}++)(?<!\s)\$(?![\w$])")
_OPEN_INLINE = re.compile(
    rf"{_OPENING}(?:(?![\d.])|(?=\d[\d.]*(?: [-+=*/<>^\\×·]|[+=^\\(]|[a-zA-Z](?<![kmbKMB])))){_BODY}*+$"
)
_DISPLAY = re.compile(r"(?<![\\$])\$\$(?!\$).*?(?<![\\$])\$\$|\\\[.*?\\\]|\\\(.*?\\\)")
_OPEN_DISPLAY = re.compile(r"(?<![\\$])\$\$(?!\$)|(?<!\\)\\[\[(]")
_PRICE = re.compile(r"[^\w\s]*\$\d[\d.]* ?")


def is_open(text: str) -> bool:
    """Whether `text` opens a formula that it does not close and that may span several lines."""
    return _OPEN_DISPLAY.search(_DISPLAY.sub("", text)) is not None


def is_open_in_line(text: str) -> bool:
    """Whether `text` opens a formula that has to close in the same line, or ends in a price that may become one."""
    rest = _INLINE.sub("", text)
    return _OPEN_INLINE.search(rest) is not None or _PRICE.fullmatch(rest) is not None


def is_price(text: str, following: str) -> bool:
    """Whether `text` is a price rather than a formula, given that the next word begins with `following`."""
    return text.endswith(" ") and _PRICE.fullmatch(text) is not None and following not in "-+=*/<>^\\×·"


def without_latex(text: str) -> str:
    """`text` with its formulas in plain characters. Everything else stays, amounts of money included."""
    text = _INLINE.sub(lambda formula: _plain(formula[1]), text)
    return _plain(text) if _BARE.search(text) else text


def _plain(formula: str) -> str:
    before = ""
    while before != formula:
        # From the inside out: the result of a replacement contains no braces.
        before = formula
        for pattern, replacement in _NESTED:
            formula = pattern.sub(replacement, formula)
    for pattern, replacement in _FLAT:
        formula = pattern.sub(replacement, formula)
    return _COMMAND.sub(lambda command: _SIGNS.get(command[1], f" {command[1]} "), formula)


def _rules(*rules: tuple[str, str]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), replacement) for pattern, replacement in rules]


_SIGNS = {
    **dict.fromkeys(("times", "cdot", "ast"), " × "),
    **dict.fromkeys(("le", "leq", "leqslant"), " ≤ "),
    **dict.fromkeys(("ge", "geq", "geqslant"), " ≥ "),
    **dict.fromkeys(("ne", "neq"), " ≠ "),
    **dict.fromkeys(("approx", "sim"), " ≈ "),
    **dict.fromkeys(("to", "rightarrow", "Rightarrow", "implies"), " → "),
    **dict.fromkeys(("circ", "degree"), "°"),
    **dict.fromkeys(("dots", "ldots", "cdots"), " and so on "),
    **dict.fromkeys(("left", "right", "big", "Big", "bigl", "bigr", "displaystyle", "limits", "quad", "qquad"), " "),
    "lt": " < ",
    "gt": " > ",
    "div": " ÷ ",
    "pm": " ± ",
    "infty": " ∞ ",
    "sum": " the sum ",
    "prod": " the product ",
    "int": " the integral ",
    "lim": " the limit ",
    "sqrt": " √",
    "in": " in ",
    "partial": " d ",
    "sin": " sine ",
    "cos": " cosine ",
    "tan": " tangent ",
    "ln": " natural log of ",
    "log": " log ",
    "equiv": " is equivalent to ",
}
"""Spoken form or sign of each command. Other commands, such as Greek letters, are spoken by their name."""

_INVISIBLE_TIMES = "\u2062"
"""A silent character that keeps the variable of "5x" from being read as a unit."""
_GROUP = r"\{([^{}]*)\}"
_NESTED = _rules(
    (rf"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathbb|mathcal|operatorname|boxed|vec|hat|bar){_GROUP}", r"\1"),
    (r"\\(?:begin|end)\{[^{}]*\}", " "),
    (r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r" \1/\2 "),
    (r"\\[dt]?frac(\d)(\d)", r" \1/\2 "),
    (rf"\\[dt]?frac{_GROUP}{_GROUP}", r" \1 over \2 "),
    (rf"\\sqrt\[(\w+)\]{_GROUP}", r" the \1th root of \2 "),
    (rf"\\sqrt{_GROUP}", r" √\1"),
    (rf"\\(sum|prod|int)_(?:{_GROUP}|(\w))\^(?:{_GROUP}|(\w|\\[a-zA-Z]+))", r"\\\1 from \2\3 to \4\5 of "),
    (rf"\\lim_{_GROUP}", r" the limit as \1 of "),
    (r"\^(?:\{2\}|2(?!\d))", "²"),
    (r"\^(?:\{3\}|3(?!\d))", "³"),
    (r"\^\{?(\\circ|\\degree)(?![a-zA-Z])\}?", "°"),
    (rf"\^{_GROUP}", r"^\1"),
    (rf"_{_GROUP}", r" \1"),
    (rf"(?<![a-zA-Z\]}}\\]){_GROUP}", r"\1"),
)
_FLAT = _rules(
    (r"\\[\[(]", " "),
    (r"\$\$|\\[\])]", ""),
    (r"\\\\(?![a-zA-Z])|\\[,;:! ]|(?<!\\)[&_~]", " "),
    (r"\\([$%&#_])", r"\1"),
    (r"\\?[{}]", ""),
    (r"-", "−"),
    (r"(?<=\d)(?=[a-zA-Z])", _INVISIBLE_TIMES),
)
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_BARE = re.compile(
    r"(?<![\\$])\$\$(?!\$)|(?<!\\)\\[\[\]()]|(?<![a-zA-Z:\\])\\(?:[dt]?frac|sqrt|text|boxed)\{"
    r"|(?<![a-zA-Z:\\])\\(?:times|cdot|leq?|geq?|neq?|approx|pm|pi|infty)(?![a-zA-Z])"
)
"""Evidence of a formula without single dollar signs: a display formula, or a command that models write in prose."""
