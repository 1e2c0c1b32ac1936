"""Where a clause may end early, so that it can be spoken before its sentence is written."""

_VERBS = {
    *("is", "are", "was", "were", "has", "have", "had", "can", "could", "will", "would", "should", "does", "did"),
    *("means", "contains", "includes", "equals"),
}
"""Finite verbs that mostly follow a complete subject."""
_LINKS = {
    *("because", "and", "or", "but", "that", "which", "who", "when", "where", "while", "if", "so", "than"),
    *("with", "for", "from", "by", "to", "in", "on", "at", "into", "about", "during", "between", "through", "without"),
    *("around", "near", "since", "until", "before", "across", "within", "under", "behind"),
    *("known", "called", "named", "located", "found", "made", "used"),
}
"""Conjunctions, prepositions and participles, which begin a phrase. "of" and "as" are bound to the word before them."""
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
_INTERJECTIONS = {
    *("yes", "yeah", "yep", "no", "nope", "sure", "okay", "ok", "alright", "all right", "right", "correct", "exactly"),
    *("certainly", "absolutely", "definitely", "of course", "indeed", "well", "great", "good", "nice", "wonderful"),
    *("hello", "hi", "hey", "goodbye", "bye", "thanks", "thank you", "you're welcome", "sorry", "i'm sorry"),
    *("good morning", "good evening", "good night", "no problem", "congratulations", "wow", "oh", "ah"),
}


def is_interjection(words: str) -> bool:
    """Whether `words`, which a mark follows, are said by themselves, however short they are."""
    return words.lower().replace("’", "'") in _INTERJECTIONS


def phrase_ends(last: str, following: str) -> bool:
    """Whether a phrase may end between the word `last` and the word `following`, neither of which has a mark."""
    if last.lower() in _NOT_LAST:
        return False
    if following in _VERBS:
        return last.isalnum()
    # "Romeo and Juliet", "10 to 12" and "5 in" belong together.
    return following in _LINKS and last.isalpha() and last.islower()
