"""The questions of the benchmark: made from templates and tables with a seed, or read from a published set."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.answers.facts import (
    CITIES,
    COLOURS,
    CONVERSIONS,
    COUNTS,
    FACTS,
    MONTH_LENGTHS,
    MONTHS,
    ODD_ONES,
    PEOPLE,
    PETS,
    ROOMS,
    SENTENCES,
    SIZES,
    WEEKDAYS,
    WORDS,
)
from bench.answers.judging import (
    Exactly,
    InOrder,
    InWords,
    InWordsOfPeople,
    Members,
    Named,
    Number,
    Published,
    Rule,
    Spelled,
    YesOrNo,
)
from bench.answers.tools import Call
from bench.conversations.questions import Audio, Question, Synthesized, numbers_in
from bench.conversations.thinking import CannotAsk
from tts.synthesizer import Voice

Way = Literal["spoken", "text"]
"""How the questions are asked."""
KINDS = ("facts", "arithmetic", "logic", "units", "instructions", "memory", "tools")
OWN_QUESTIONS = 126
"""Eighteen of each kind."""
_MOST_TRIES = 1000
"""Draws without a new question after which the templates count as exhausted."""
Half = Literal["tuning", "held-out"]
"""Two halves of the questions of a seed: one to improve the agent with, the other to report on."""


@dataclass(frozen=True, slots=True)
class Task:
    """A conversation of one turn or several, of which the last answer is judged."""

    kind: str
    turns: tuple[str, ...]
    """The user's words; "" where they are unknown."""
    rule: Rule
    call: Call | None = None
    """The right tool call, if there is one."""
    has_tools: bool = False
    """Whether the session has tools."""
    name: str = ""
    audio: tuple[Audio, ...] = ()
    """The turns as sound; empty: they are not spoken."""


def own_tasks(count: int, seed: int = 0, half: Half | None = None) -> list[Task]:
    """`count` tasks, equally many of each kind, none twice; the same for the same seed.

    With `half`, they are every second task of each template. Raises `CannotAsk` for more than the templates make.
    """
    if half is not None:
        both = own_tasks(2 * math.ceil(count / len(KINDS)) * len(KINDS), seed)
        return [task for at, task in enumerate(both) if _half_of(at) == half][:count]
    chance = random.Random(seed)
    made: list[Task] = []
    seen: set[tuple[str, ...]] = set()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        makers = _MAKERS[kind]
        task = makers[number // len(KINDS) % len(makers)](chance)
        tries = 0
        while task.turns in seen or _gives_itself_away(task):
            if tries == _MOST_TRIES:
                raise CannotAsk(f"the templates make some {len(made)} different questions, not {count}: ask for fewer")
            tries += 1
            task = chance.choice(makers)(chance)
        seen.add(task.turns)
        made.append(replace(task, kind=kind, name=f"{kind}_{number // len(KINDS):03}"))
    return made


def spoken_by(tasks: Sequence[Task], voices: Sequence[Voice]) -> list[Task]:
    """The tasks spoken by one voice after the other, another one first in each round: kinds take turns, too."""
    count = len(voices)
    speakers = (voices[(number + number // count) % count] for number in range(len(tasks)))
    return [
        replace(task, audio=tuple(Synthesized(turn, voice) for turn in task.turns))
        for task, voice in zip(tasks, speakers, strict=True)
    ]


def published_tasks(questions: Sequence[Question], way: Way) -> list[Task]:
    """Questions of a published set. Raises `CannotAsk` if they are to be typed and their words are unknown."""
    if way == "text" and (unknown := next((question for question in questions if not question.text), None)):
        raise CannotAsk(f"the data set holds no words for {unknown.name}: ask without --text")
    return [
        Task(
            question.category, (question.text,), Published(question.answer), name=question.name, audio=(question.audio,)
        )
        for question in questions
    ]


def _half_of(number: int) -> Half:
    """The half to which a task belongs: the templates of a kind take turns, and change sides in each round."""
    turn, templates = number // len(KINDS), len(_MAKERS[KINDS[number % len(KINDS)]])
    return "tuning" if (turn // templates + turn % templates) % 2 == 0 else "held-out"


def _gives_itself_away(task: Task) -> bool:
    """Whether the question contains the number that answers it: an echo could not be told from an answer."""
    return isinstance(task.rule, Number) and task.rule.value in numbers_in(task.turns[-1])


def _fact(chance: random.Random) -> Task:
    template = chance.choice(list(FACTS))
    table = FACTS[template]
    about = chance.choice(list(table))
    rivals = [name for key, names in table.items() if key != about for name in names]
    return Task("", (template.format(about),), Named(table[about], tuple(rivals)))


def _count(chance: random.Random) -> Task:
    question = chance.choice(list(COUNTS))
    return Task("", (question,), Number(COUNTS[question]))


def _sum(chance: random.Random) -> Task:
    a, b = chance.randint(3, 49), chance.randint(3, 49)
    return Task("", (f"What is {a} plus {b}?",), Number(a + b))


def _difference(chance: random.Random) -> Task:
    a, b = chance.randint(40, 99), chance.randint(3, 39)
    return Task("", (f"What is {a} minus {b}?",), Number(a - b))


def _product(chance: random.Random) -> Task:
    a, b = chance.randint(3, 12), chance.randint(3, 12)
    return Task("", (f"What is {a} times {b}?",), Number(a * b))


def _half(chance: random.Random) -> Task:
    half = chance.randint(6, 60)
    return Task("", (f"What is half of {2 * half}?",), Number(half))


def _apples(chance: random.Random) -> Task:
    has, eats = chance.randint(8, 20), chance.randint(2, 7)
    fruit = chance.choice(("apples", "oranges", "cookies"))
    return Task("", (f"I have {has} {fruit} and eat {eats} of them. How many are left?",), Number(has - eats))


def _price(chance: random.Random) -> Task:
    price, books = chance.randint(3, 12), chance.randint(3, 9)
    text = f"A book costs {price} dollars. How many dollars do {books} books cost?"
    return Task("", (text,), Number(price * books, ("dollar", "dollars")))


def _tallest(chance: random.Random) -> Task:
    tall, middle, short = people = chance.sample(PEOPLE, 3)
    wanted, superlative = chance.choice(((tall, "tallest"), (short, "shortest")))
    text = f"{tall} is taller than {middle}, and {middle} is taller than {short}. Who is the {superlative}?"
    opposites = ("shorter", "shortest") if wanted == tall else ("taller", "tallest")
    return Task("", (text,), _one_of(wanted, people, opposites))


def _race(chance: random.Random) -> Task:
    first, second, third = people = chance.sample(PEOPLE, 3)
    wanted, place = chance.choice(((first, "won"), (third, "came last")))
    text = f"In a race, {first} finished before {second}, and {second} finished before {third}. Who {place}?"
    opposites = ("last", "lost", "after") if wanted == first else ("won", "first", "before")
    return Task("", (text,), _one_of(wanted, people, opposites))


def _larger(chance: random.Random) -> Task:
    small, large = sorted(chance.sample(range(len(SIZES)), 2))
    names = [SIZES[small], SIZES[large]]
    wanted, comparative = chance.choice(((names[1], "larger"), (names[0], "smaller")))
    chance.shuffle(names)
    nouns = [name.split()[-1] for name in names]
    opposites = ("smaller", "smallest") if comparative == "larger" else ("larger", "bigger", "largest", "biggest")
    text = f"Which is {comparative}, {names[0]} or {names[1]}?"
    return Task("", (text,), _one_of(wanted.split()[-1], nouns, opposites))


def _odd_one(chance: random.Random) -> Task:
    kind, alike, others = chance.choice(ODD_ONES)
    odd = chance.choice(others)
    names = [*chance.sample(alike, 2), odd]
    chance.shuffle(names)
    article = "an" if kind[0] in "aeiou" else "a"
    text = f"Which of these is not {article} {kind}: {names[0]}, {names[1]}, or {names[2]}?"
    rule = _one_of(odd.split()[-1], [name.split()[-1] for name in names], (f"is {article} {kind}",))
    return Task("", (text,), replace(rule, predicate=f"not {article} {kind}"))


def _inside(chance: random.Random) -> Task:
    person, room, other = chance.choice(PEOPLE), *chance.sample(ROOMS, 2)
    asked, answer = chance.choice(((room, "yes"), (other, "no")))
    text = f"{person} put the keys in a box, and the box is in the {room}. Are the keys in the {asked}?"
    return Task("", (text,), YesOrNo(answer))


def _convert(chance: random.Random) -> Task:
    small, large, factor = chance.choice(CONVERSIONS)
    count = chance.randint(2, 6)
    return Task("", (f"How many {small} are in {count} {large}?",), Number(count * factor, (small,)))


def _weekday(chance: random.Random) -> Task:
    today, (days, phrase) = chance.randrange(7), chance.choice(((1, "tomorrow"), (2, "the day after tomorrow")))
    text = f"Today is {WEEKDAYS[today]}. What day is {phrase}?"
    return Task("", (text,), _one_of(WEEKDAYS[(today + days) % 7], WEEKDAYS))


def _month(chance: random.Random) -> Task:
    month, (step, word) = chance.randrange(12), chance.choice(((1, "after"), (-1, "before")))
    text = f"Which month comes right {word} {MONTHS[month]}?"
    return Task("", (text,), _one_of(MONTHS[(month + step) % 12], MONTHS))


def _month_length(chance: random.Random) -> Task:
    month = chance.choice(list(MONTH_LENGTHS))
    return Task("", (f"How many days does {month} have?",), Number(MONTH_LENGTHS[month], ("days",)))


def _hour(chance: random.Random) -> Task:
    start, hours = chance.randint(1, 7), chance.randint(2, 5)
    text = f"A film begins at {start} o'clock and lasts {hours} hours. At what hour does it end?"
    return Task("", (text,), Number(start + hours))


def _one_word(chance: random.Random) -> Task:
    task = _fact(chance)
    while isinstance(task.rule, Named) and max(len(name.split()) for name in task.rule.accepted) > 1:
        task = _fact(chance)
    return replace(task, turns=(f"Answer with one word. {task.turns[0]}",), rule=InWords(1, task.rule))


def _only_yes_or_no(chance: random.Random) -> Task:
    task = _inside(chance)
    return replace(task, turns=(f"Answer only yes or no. {task.turns[0]}",), rule=InWords(1, task.rule))


def _repeat(chance: random.Random) -> Task:
    sentence = chance.choice(SENTENCES)
    return Task("", (f"Repeat these words and say nothing else: {sentence}.",), Exactly(sentence))


def _count_up(chance: random.Random) -> Task:
    start = chance.randint(1, 9)
    end = start + chance.randint(3, 5)
    rule = InOrder(tuple(float(number) for number in range(start, end + 1)))
    return Task("", (f"Count from {start} to {end}, and say nothing else.",), rule)


def _spell(chance: random.Random) -> Task:
    word = chance.choice(WORDS)
    return Task("", (f"Spell the word {word}, letter by letter.",), Spelled(word))


def _colours(chance: random.Random) -> Task:
    count, word = chance.choice(((2, "two"), (3, "three"), (4, "four")))
    return Task("", (f"Name exactly {word} colours.",), Members(COLOURS, count))


def _pet(chance: random.Random) -> Task:
    name, animal, a, b = chance.choice(PETS), chance.choice(("dog", "cat")), chance.randint(2, 9), chance.randint(2, 9)
    turns = (f"My {animal} is called {name}.", f"What is {a} plus {b}?", f"What is my {animal} called?")
    return Task("", turns, _one_of(name, PETS))


def _home(chance: random.Random) -> Task:
    city = chance.choice(CITIES)
    turns = (f"I live in {city}.", chance.choice(list(COUNTS)), "In which city do I live?")
    return Task("", turns, _one_of(city, CITIES))


def _number(chance: random.Random) -> Task:
    number = chance.randint(11, 99)
    turns = (f"Please remember the number {number}.", "Which animal barks?", "Which number did I ask you to remember?")
    return Task("", turns, Number(number))


def _favourite(chance: random.Random) -> Task:
    colour, place = chance.choice(COLOURS[:5]), chance.choice(("car", "bicycle", "door"))
    turns = (f"My {place} is {colour}.", "What is the capital of Norway?", f"What colour is my {place}?")
    return Task("", turns, _one_of(colour, COLOURS))


def _weather(chance: random.Random) -> Task:
    city, degrees = chance.choice(CITIES), chance.randint(3, 29)
    call = Call("get_weather", {"city": city}, f'{{"degrees": {degrees}, "sky": "cloudy"}}')
    return Task("", (f"How many degrees is it in {city} now?",), Number(degrees), call, has_tools=True)


def _timer(chance: random.Random) -> Task:
    minutes = chance.randint(2, 45)
    call = Call("set_timer", {"minutes": minutes}, '{"started": true}')
    return Task("", (f"Set a timer for {minutes} minutes.",), InWordsOfPeople(), call, has_tools=True)


def _train(chance: random.Random) -> Task:
    city, platform = chance.choice(CITIES), chance.randint(2, 19)
    call = Call("next_train", {"city": city}, f'{{"platform": {platform}, "late": false}}')
    text = f"From which platform does the next train to {city} leave?"
    return Task("", (text,), Number(platform), call, has_tools=True)


def _no_tool(chance: random.Random) -> Task:
    maker = chance.choice((_fact, _sum, _tallest))
    return replace(maker(chance), has_tools=True)


def _one_of(wanted: str, names: Sequence[str], opposites: tuple[str, ...] = ()) -> Named:
    return Named((wanted,), tuple(name for name in names if name != wanted), opposites)


_MAKERS: dict[str, tuple[Callable[[random.Random], Task], ...]] = {
    "facts": (_fact, _fact, _fact, _count),
    "arithmetic": (_sum, _difference, _product, _half, _apples, _price),
    "logic": (_tallest, _larger, _odd_one, _race, _inside),
    "units": (_convert, _weekday, _month, _convert, _month_length, _hour),
    "instructions": (_one_word, _count_up, _only_yes_or_no, _spell, _colours, _repeat),
    "memory": (_pet, _home, _number, _favourite),
    "tools": (_weather, _no_tool, _timer, _train),
}
