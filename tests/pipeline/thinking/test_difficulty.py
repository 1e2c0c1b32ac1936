"""Which questions have to be worked out, by their words."""

import pytest

from bench.answers.tasks import own_tasks
from pipeline.thinking.difficulty import has_to_be_worked_out

HARD = """
I have 7 apples and buy 13 more. Then I give 5 away. How many apples do I have now?
If a train travels sixty miles an hour, how far does it go in two and a half hours?
A shirt costs forty dollars and is twenty percent off. What does it cost?
I bought three notebooks for two dollars each, how much did I spend?
Peter is taller than Robert, and Robert is taller than Laura, who is the tallest?
If all roses are flowers and some flowers fade quickly, do some roses fade quickly?
Mary always lies. Helen says that Mary tells the truth. Does Helen tell the truth?
My meeting starts at half past two and lasts ninety minutes. When does it end?
Today is Friday. What day is the day after tomorrow?
What is 12 plus 7 minus 3?
Anna is twice as old as Ben. Ben is six. How old is Anna?
What is the square root of 144 plus 5?
A dozen eggs cost three dollars. How much does one egg cost?
I walk 4 steps forward, turn around, and walk 6 steps. Am I back where I began?
How many minutes are in three and a half hours?
""".strip().splitlines()

EASY = """
What is the capital of France?
What's 9 times 6?
What is half of 90?
What is 34 plus 57?
Who painted the Mona Lisa?
Hello there, can you hear me?
Tell me something interesting about dolphins.
Count from 5 to 8, and say nothing else.
Please add milk and bread to my shopping list.
Which is heavier, a kilo of feathers or a kilo of iron?
Set a timer for ten minutes.
How many legs does a spider have?
Spell the word rhythm, letter by letter.
If you could travel anywhere, where would you go?
I was born in 1985.
My number is 555 1234.
Wake me up at seven thirty tomorrow.
How many days does a leap year have?
Play the third song again.
Do you always answer that fast?
Thanks, that is all for today.
What should I wear when it is raining?
I like all kinds of music. What do you like?
""".strip().splitlines()


@pytest.mark.parametrize("text", HARD)
def test_what_combines_amounts_or_follows_from_premises_is_hard(text: str) -> None:
    assert has_to_be_worked_out(text)


@pytest.mark.parametrize("text", EASY)
def test_what_is_remembered_or_done_is_easy(text: str) -> None:
    assert not has_to_be_worked_out(text)


def test_no_fact_nor_anything_said_before_has_to_be_worked_out() -> None:
    asked = [task.turns[-1] for task in own_tasks(140, seed=3) if task.kind in ("facts", "memory")]
    assert [text for text in asked if has_to_be_worked_out(text)] == []


@pytest.mark.parametrize(
    "text", ["", "?", "7 " * 1_000_000, "one and " * 500_000, "please, " * 500_000, "a, " * 500_000]
)
def test_an_endless_text_is_looked_at_from_its_end(text: str) -> None:
    assert has_to_be_worked_out(f"{text}I have 7 pens and buy 13. How many do I have?")
