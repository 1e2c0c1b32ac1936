"""The rules that judge answers, mostly on answers that are wrong."""

import pytest

from bench.answers.judging import (
    Exactly,
    InOrder,
    InWords,
    InWordsOfPeople,
    Members,
    Named,
    Number,
    Rule,
    Spelled,
    YesOrNo,
)
from bench.answers.tools import Call, Made, is_right_call

CAPITAL = "What is the capital of France?"
PARIS = Named(("Paris",), ("Rome", "Madrid", "Berlin"))
WHO = "Peter is taller than Mary, and Mary is taller than Susan. Who is the tallest?"
PETER = Named(("Peter",), ("Mary", "Susan"), ("shorter", "shortest"))
SUM = "What is 17 plus 25?"


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("Paris.", True),
        ("The capital of France is Paris.", True),
        ("It's Paris, not Rome.", True),
        ("It is Paris, France.", True),
        ("Paris is the capital and largest city of France.", True),
        ("What is the capital of France? Paris.", True),
        ("", False),
        ("What is the capital of France?", False),
        ("You ask for the capital of France.", False),
        ("Is it Paris?", False),
        ("Not Paris.", False),
        ("It is not Paris.", False),
        ("It isn\u2019t the city of Paris.", False),
        ("Paris is not the capital of France.", False),
        ("No Paris here.", False),
        ("It is anything rather than Paris.", False),
        ("Rome.", False),
        ("Rome. No, Paris.", False),
        ("Paris or Rome.", False),
        ("Paris or Lyon.", False),
        ("Lyon, or Paris.", False),
        ("Paris and Lyon.", False),
        ("Paris, Lyon, and Nice.", False),
        ("Lyon, Paris, Nice.", False),
        ("Lyon, Nice, or Paris.", False),
        ("Maybe Paris, maybe Lyon.", False),
        ("Parisian things.", False),
        ("Paris, which lies on the Seine.", True),
        ("I think it's Paris.", True),
        ("Paris can be called the capital of France.", True),
        ("Paris is wrong.", False),
        ("Paris is the wrong answer.", False),
        ("It's false that it is Paris.", False),
        ("Paris isn't right.", False),
        ("Paris can't be the capital.", False),
        ("Paris would not be the capital.", False),
        ("It used to be Paris.", False),
        ("Paris is no longer the capital.", False),
        ("I don't know, Paris.", False),
        ("I'm not sure, but Paris.", False),
        ("I can't say. Paris.", False),
        ("No idea. Paris.", False),
        ("Maybe Paris.", False),
        ("It could be Paris.", False),
        ("It might also be Paris.", False),
        ("It can be Paris.", False),
        ("I guess Paris.", False),
        ("I doubt that it is Paris.", False),
        ("Paris. No, wait.", False),
        ("Paris, no.", False),
        ("Paris. Or Lyon.", False),
        ("Paris/Lyon.", False),
        ("Paris as well as Lyon.", False),
        ("Paris and Lyon are the capitals.", False),
    ],
)
def test_a_fact(said: str, right: bool) -> None:
    assert PARIS.holds(said, CAPITAL) is right


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("Peter.", True),
        ("Peter is the tallest.", True),
        ("Peter is taller than Mary and Susan.", True),
        ("Mary is taller than Susan, so Peter is the tallest.", True),
        ("Not Mary, but Peter.", True),
        ("Mary.", False),
        ("Mary is the tallest, not Peter.", False),
        ("Mary is shorter than Peter.", False),
        ("Peter is taller than Mary, so Mary is the tallest.", False),
        ("Peter or Mary.", False),
        ("Peter and Mary.", False),
        ("You want to know whether Peter or Mary is taller.", False),
        ("Who is the tallest, Peter?", False),
        ("Peter is the tallest, and Susan is the shortest.", True),
        ("Peter is the shortest.", False),
        ("Peter is shorter than Mary.", False),
        ("Peter. No, Mary.", False),
        ("Peter. Actually, Mary is.", False),
    ],
)
def test_one_of_those_in_the_question(said: str, right: bool) -> None:
    assert PETER.holds(said, WHO) is right


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("A shoe.", True),
        ("The shoe is not a fruit.", True),
        ("A shoe isn't a fruit, but the apple and the pear are.", True),
        ("A shoe is a fruit.", False),
        ("An apple is not a fruit.", False),
        ("A shoe is not an apple.", False),
        ("A shoe or a pear.", False),
    ],
)
def test_the_odd_one(said: str, right: bool) -> None:
    rule = Named(("shoe",), ("apple", "pear"), ("is a fruit",), "not a fruit")
    assert rule.holds(said, "Which of these is not a fruit: an apple, a shoe, or a pear?") is right


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("42.", True),
        ("Forty-two.", True),
        ("forty two", True),
        ("17 plus 25 is 42.", True),
        ("17 and 25 make 42.", True),
        ("10 and 20 make 30, 7 and 5 make 12, so it's 42.", True),
        ("Not 41 but 42.", True),
        ("41.", False),
        ("142", False),
        ("4.2", False),
        ("-42", False),
        ("Minus forty-two.", False),
        ("Four two.", False),
        ("42 or 43.", False),
        ("41, 42, or 43.", False),
        ("41, 42", False),
        ("Between 40 and 42.", False),
        ("It is not 42.", False),
        ("It isn't forty-two.", False),
        ("Is it 42?", False),
        ("17 plus 25.", False),
        ("42. No, 43.", False),
        ("", False),
        ("I think it is 42.", True),
        ("It could be 41. It could be 42.", False),
        ("It could be 42.", False),
        ("41. Or 42.", False),
        ("41/42", False),
        ("42 is wrong.", False),
        ("42 isn't right.", False),
        ("I don't know, 42.", False),
        ("42. No, wait.", False),
        ("42, I guess.", False),
        ("About 42.", False),
        ("Almost 42.", False),
        ("More than 42.", False),
        ("At least 42.", False),
        ("42 or more.", False),
        ("42 and a half.", False),
        ("42%", False),
        ("The 42nd.", False),
    ],
)
def test_a_number(said: str, right: bool) -> None:
    assert Number(42).holds(said, SUM) is right


@pytest.mark.parametrize(
    ("rule", "said", "right"),
    [
        (Number(120, ("minutes",)), "There are 120 minutes in 2 hours.", True),
        (Number(120, ("minutes",)), "One hundred and twenty.", True),
        (Number(120, ("minutes",)), "120 seconds.", False),
        (Number(9), "It ends at 9:00.", True),
        (Number(9), "At nine o'clock.", True),
        (Number(9), "At 9:30.", False),
        (YesOrNo("yes"), "Yes, they are.", True),
        (YesOrNo("yes"), "They are in the box, so yes.", True),
        (YesOrNo("yes"), "No.", False),
        (YesOrNo("yes"), "Yes and no.", False),
        (YesOrNo("yes"), "Yes. No, they are not.", False),
        (YesOrNo("no"), "There is no doubt.", False),
        (YesOrNo("yes"), "It depends.", False),
        (YesOrNo("yes"), "Yes?", False),
        (YesOrNo("yes"), "Yes, they are in the kitchen, not in the garden.", True),
        (YesOrNo("no"), "No, that's wrong.", True),
        (YesOrNo("yes"), "Yes, they are not.", False),
        (YesOrNo("yes"), "Yes is wrong.", False),
        (YesOrNo("yes"), "Maybe yes.", False),
        (YesOrNo("yes"), "I don't know. Yes.", False),
        (Number(9), "At 9 pm.", True),
        (Exactly("we are ready"), "We are ready!", True),
        (Exactly("we are ready"), "Sure: we are ready.", False),
        (Exactly("we are ready"), "We're ready.", False),
        (InWords(1, PARIS), "Paris.", True),
        (InWords(1, PARIS), "It's Paris.", False),
        (InWords(1, PARIS), "Paris, France.", False),
        (InWords(1, PARIS), "Rome.", False),
        (InWords(1, PARIS), "Paris?", False),
        (InWords(1, YesOrNo("no")), "No", True),
        (InWords(1, YesOrNo("no")), "No, they are not.", False),
        (InOrder((3, 4, 5)), "3, 4, 5", True),
        (InOrder((3, 4, 5)), "Three, four, five.", True),
        (InOrder((3, 4, 5)), "3, 4, 5, 6", False),
        (InOrder((3, 4, 5)), "3, 5, 4", False),
        (InOrder((3, 4, 5)), "3 to 5", False),
        (InOrder((3, 4, 5)), "3. 4. 5.", True),
        (InOrder((3, 4, 5)), "Three, four, and five.", True),
        (InOrder((3, 4, 5)), "Sure! 3, 4, 5", False),
        (InOrder((3, 4, 5)), "3, 4, 5. Done!", False),
        (InOrder((3, 4, 5)), "Counting from 3 to 5: 3, 4, 5", False),
        (Spelled("cat"), "C, A, T.", True),
        (Spelled("cat"), "c-a-t", True),
        (Spelled("cat"), "cat", False),
        (Spelled("cat"), "C, A, T, S", False),
        (Spelled("cat"), "K, A, T", False),
        (Members(("red", "blue", "green"), 2), "Red and blue.", True),
        (Members(("red", "blue", "green"), 2), "Red, blue, green.", False),
        (Members(("red", "blue", "green"), 2), "Red and red.", False),
        (Members(("red", "blue", "green"), 2), "Two colours are red and blue.", True),
        (Members(("red", "blue", "green"), 2), "Here are two colours: red, blue.", True),
        (Members(("red", "blue", "green"), 2), "Red, blue, and crimson.", False),
        (Members(("red", "blue", "green"), 2), "Red, crimson.", False),
        (InWordsOfPeople(), "Your timer is running.", True),
        (InWordsOfPeople(), "One moment, please. The timer has started.", True),
        (InWordsOfPeople(), "The timer is set for one minute.", False),
        (InWordsOfPeople(), '{"name": "set_timer"}', False),
        (InWordsOfPeople(), "Sorry, I can't do that.", False),
        (InWordsOfPeople(), "For how long?", False),
        (InWordsOfPeople(), "", False),
        (InWordsOfPeople(), "I set a timer for 50 minutes.", False),
        (InWordsOfPeople(), "I'm unable to set timers.", False),
    ],
)
def test_other_rules(rule: Rule, said: str, right: bool) -> None:
    question = "A film begins at 7 o'clock and lasts 2 hours." if isinstance(rule, Number) else ""
    assert rule.holds(said, question) is right


@pytest.mark.parametrize(
    ("made", "right"),
    [
        ([Made("get_weather", '{"city": "rome"}')], True),
        ([Made("get_weather", '{"city": "Rome", "unit": "C"}')], False),
        ([Made("get_weather", '{"city": "Paris"}')], False),
        ([Made("next_train", '{"city": "Rome"}')], False),
        ([Made("get_weather", '{"city": "Rome"}')] * 2, False),
        ([Made("get_weather", "Rome")], False),
        ([Made("get_weather", '["Rome"]')], False),
        ([], False),
    ],
)
def test_a_tool_call(made: list[Made], right: bool) -> None:
    assert is_right_call(Call("get_weather", {"city": "Rome"}), made) is right


def test_a_call_that_was_not_needed_is_wrong() -> None:
    assert is_right_call(None, [])
    assert not is_right_call(None, [Made("get_weather", '{"city": "Rome"}')])
    assert is_right_call(Call("set_timer", {"minutes": 5}), [Made("set_timer", '{"minutes": "5"}')])
    assert not is_right_call(Call("set_timer", {"minutes": 5}), [Made("set_timer", '{"minutes": 50}')])


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("January.", True),
        ("The month that comes right before February is January.", True),
        ("February comes right after January.", True),
        ("The month right before February is February.", False),
        ("February.", False),
        ("The month right before February is March.", False),
        ("The month right before February is not January.", False),
    ],
)
def test_what_the_question_names_beside_the_answer_is_no_answer(said: str, right: bool) -> None:
    rule = Named(("January",), ("February", "March", "December"))
    assert rule.holds(said, "Which month comes right before February?") is right
