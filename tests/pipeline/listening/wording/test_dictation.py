"""What is dictated, what is complete, and what is said every day. Texts are as recognizers write them."""

import pytest

from pipeline.listening.wording.dictation import Form, dictated_form, is_dictating


@pytest.mark.parametrize(
    "words",
    [
        *(
            "415.",
            "415-555.",
            "415. 555.",
            "My number is 212.",
            "Call me on 503.",
            "It's 7 2 5.",
            "7-2-5. Double 4.",
            "4111, 2222, 3333.",
        ),
        *("K.", "K-R.", "Kr, a m.", "S, M, I.", "S-M-I-T.", "My name is spelled S M.", "B as in boy.", "B for Bravo."),
        *("Bravo.", "Bravo Tango.", "Bravo, Tango, 7.", "X7.", "X7, B9.", "The booking code is LH.", "It's LH 47."),
        *("Send it to 1240 Maple Street.", "Send it to 1240 Maple Street, apartment 3B.", "I live at 27 Oak Avenue."),
        *("27 Oak Avenue, flat 2, Portland.", "John dot Miller.", "john.miller at gmail.", "anna underscore bell."),
        *(
            "I need milk, eggs.",
            "I need milk. Eggs.",
            "Milk, eggs, bread.",
            "Milk Eggs Bread",
            "I need milk.",
            "Please add apples.",
            "My email is Anna.",
            "Be as in boy.",
            "Please add apples, two lemons.",
        ),
    ],
)
def test_dictation_goes_on(words: str) -> None:
    assert is_dictating(words)


@pytest.mark.parametrize(
    "words",
    [
        *("415-555-0192.", "415. 555. 0192.", "What is the square root of 144?", "Is it 5?", "At 5.", "Eight.", "25."),
        *("Yes.", "No, thanks.", "I was born in Ohio.", "Play some jazz.", "What about 12 Maple Street?", "Okay."),
        *("Send it to 1240 Maple Street, Springfield, Ohio.", "27 Oak Avenue, Portland, Oregon, 97201."),
        *("john.miller@gmail.com.", "anna underscore bell at yahoo dot com.", "I need milk, eggs and bread."),
        *("Well, I think so.", "Hello, Anna.", "I need milk, eggs, and butter.", "Turn it up, please.", "I need help."),
        *("Tell me a story.", "It was great, thanks.", "My name is Anna.", "Sure, go ahead."),
    ],
)
def test_everything_else_is_complete(words: str) -> None:
    assert not is_dictating(words)


@pytest.mark.parametrize(
    ("asked", "words", "goes_on"),
    [
        ("What is your phone number?", "4.", True),
        ("What is your phone number?", "415 555 0192.", False),
        ("What is your ZIP code?", "627.", True),
        ("What is your ZIP code?", "62704.", False),
        ("Please enter the last four digits.", "12.", True),
        ("Please enter the last four digits.", "1234.", False),
        ("How many people are you?", "8.", False),
        ("What is your email address?", "Anna.", True),
        ("What is your email address?", "Anna at web dot de.", False),
        ("Where should we deliver it?", "27 Oak.", True),
        ("What else should I put on the list?", "Milk.", True),
        ("What else should I put on the list?", "Milk, and that's all.", False),
        ("How are you?", "Fine.", False),
    ],
)
def test_what_was_asked_is_evidence(asked: str, words: str, goes_on: bool) -> None:
    assert is_dictating(words, asked) is goes_on


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", "415-555-0192."),
        ("", "415. 555. 0192."),
        ("", "My number is 212, 555, 0134."),
        ("", "My ZIP code is 62704."),
        ("What is the best number to reach you?", "020 7946 0958."),
        ("What is your ZIP code?", "62704."),
        ("Can you read me your card number?", "4012 8888 8888 1881."),
        ("What are the last four digits of your card?", "8821."),
        ("", "anna underscore bell at yahoo dot com."),
        ("What is your email address?", "Anna at web dot de."),
    ],
)
def test_what_has_all_its_parts_is_known_to_be_complete(asked: str, words: str) -> None:
    assert dictated_form(words, asked) is Form.COMPLETE


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("What is your order number?", "415 555 0192."),
        ("", "The tracking number is 415 555 0192."),
        ("Please tell me your PIN.", "4719."),
        ("Can you read me your card number?", "4012 8888 8888."),
        ("What are the last four digits of your card?", "88."),
        ("", "anna at yahoo.co."),
        ("", "I was born in 1984."),
        ("", "Is it 415 555 0192?"),
    ],
)
def test_what_may_have_more_parts_is_not(asked: str, words: str) -> None:
    assert dictated_form(words, asked) is not Form.COMPLETE
