"""Where a phrase may end without a mark, so that a clause can be spoken before the sentence is written."""

_VERBS = {
    *("is", "are", "was", "were", "has", "have", "had", "can", "could", "will", "would", "should", "does", "did"),
    *("means", "contains", "includes", "equals"),
}
"""Finite verbs that mostly follow a complete subject."""
_LINKS = {
    *("because", "and", "or", "but", "that", "which", "who", "when", "where", "while", "if", "so", "than"),
    *("with", "for", "from", "by", "to", "in", "on", "at", "into", "about", "during", "between", "through", "without"),
}
"""Conjunctions and prepositions, which begin a phrase. "of" and "as" are bound to the word before them."""
_NOT_LAST = {
    *_VERBS,
    *_LINKS,
    *("a", "an", "the", "this", "these", "those", "some", "any", "no", "every", "each", "my", "your", "his", "her"),
    *("its", "our", "their", "of", "as", "not", "be", "been", "being", "am", "do", "may", "might", "must", "very"),
    *("i", "you", "he", "she", "it", "we", "they", "there", "what", "how", "why", "up", "out", "just", "also", "only"),
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twenty", "thirty", "forty"),
    *("fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "billion", "half", "point"),
}
"""Words that lean on the next one, and number words, which may go on."""


def phrase_ends(last: str, following: str) -> bool:
    """Whether a phrase may end between the word `last` and the word `following`, neither of which has a mark."""
    if last.lower() in _NOT_LAST:
        return False
    if following in _VERBS:
        return last.isalnum()
    # "Romeo and Juliet", "10 to 12" and "5 in" belong together.
    return following in _LINKS and last.isalpha() and last.islower()
