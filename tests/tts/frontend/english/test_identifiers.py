"""Numbers that identify or designate, in the words around them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts.frontend.clauses import ClauseSplitter
from tts.frontend.english.number_words import cardinal, digits, number


def said(text: str) -> str:
    splitter = ClauseSplitter()
    clauses = [clause for character in text for clause in splitter.push(character)]
    return " ".join(clause.spoken for clause in (*clauses, *splitter.flush()))


SAID = {
    # known by their form
    "Pay with 4111 1111 1111 1111.": "Pay with four one one one, one one one one, one one one one, one one one one.",
    "It is 4111-1111-1111-1111, CVV 737.": (
        "It is four one one one, one one one one, one one one one, one one one one, CVV seven three seven."
    ),
    "Amex 3782 822463 10005": "Amex three seven eight two, eight two two, four six three, one zero zero zero five",
    "It was 078-05-1120.": "It was zero seven eight, zero five, one one two zero.",
    "Read 978-0-13-468599-1 now.": "Read nine seven eight, zero, one three, four six eight, five nine nine, one now.",
    "ISBN: 9780134685991": "ISBN: nine seven eight, zero one three, four six eight, five nine nine one",
    "Wire it to DE89 3704 0044 0532 0130 00.": (
        "Wire it to D E eight nine, three seven zero four, zero zero four four, zero five three two,"
        " zero one three zero, zero zero."
    ),
    "It is X7K29Q.": "It is X seven K two nine Q.",
    "Ship 1Z999AA10123456784.": (
        "Ship one Z nine nine, nine A A one, zero one two three, four five six seven, eight four."
    ),
    "The router has 192.168.0.1 now.": "The router has one nine two dot one six eight dot zero dot one now.",
    # telephones
    "Call 555-0199 or (415) 555-2671.": (
        "Call five five five, zero one nine nine or four one five, five five five, two six seven one."
    ),
    "It is 415 555 2671.": "It is four one five, five five five, two six seven one.",
    "Call 1-800-555-0199 today.": "Call one, eight zero zero, five five five, zero one nine nine today.",
    "Call 1-800-FLOWERS.": "Call one, eight zero zero, FLOWERS.",
    "It is +44 20 7946 0958.": "It is four four, two zero, seven nine four six, zero nine five eight.",
    "It is +442079460958.": "It is four four, two zero seven, nine four six, zero nine five eight.",
    "It is +14155552671.": "It is one, four one five, five five five, two six seven one.",
    "It is +353871234567.": "It is three five three, eight seven one, two three four, five six seven.",
    "It is +33 1 23 45 67 89.": "It is three three, one, two three, four five, six seven, eight nine.",
    "It is +49 (0)30 1234567.": "It is four nine, zero, three zero, one two three, four five six seven.",
    "It is 020 7946 0958.": "It is zero two zero, seven nine four six, zero nine five eight.",
    "It is 030 1234567.": "It is zero three zero, one two three, four five six seven.",
    "It is 0171/1234567.": "It is zero one seven one, one two three, four five six seven.",
    "It is 01 23 45 67 89.": "It is zero one, two three, four five, six seven, eight nine.",
    "It is 0412 345 678.": "It is zero four one two, three four five, six seven eight.",
    "It is 03-1234-5678.": "It is zero three, one two three four, five six seven eight.",
    "Text HELP to 741741.": "Text HELP to seven four one, seven four one.",
    "Dial 0, then extension 204.": "Dial zero, then extension two zero four.",
    "Call 911 now.": "Call nine one one now.",
    "Call 100 people.": "Call one hundred people.",
    "I called 2000 times.": "I called two thousand times.",
    "It is 1 (800) 123-4567.": "It is one, eight zero zero, one two three, four five six seven.",
    "It is 0049 30 901820.": "It is zero zero four nine, three zero, nine zero one, eight two zero.",
    "It is +91 98765 43210.": "It is nine one, nine eight seven six five, four three two one zero.",
    "It is 612 34 56 78.": "It is six one two, three four, five six, seven eight.",
    "It is (11) 91234-5678.": "It is one one, nine one two three four, five six seven eight.",
    "It is (01) 679 3077.": "It is zero one, six seven nine, three zero seven seven.",
    "Fax: 212.555.0134": "Fax: two one two, five five five, zero one three four",
    "Our hotline, 116 117, is free.": "Our hotline, one one six, one one seven, is free.",
    # known by the words around them
    "The code to get in is 4-4-1-9.": "The code to get in is four four one nine.",
    "It is 303-555-0188, ext. 12.": "It is three zero three, five five five, zero one eight eight, extension one two.",
    "You can call 18005550199.": "You can call one, eight zero zero, five five five, zero one nine nine.",
    "Model number 5531 is out.": "Model number five five three one is out.",
    "Tel: 555 0199": "Tel: five five five, zero one nine nine",
    "Your code? 9902.": "Your code? nine nine zero two.",
    "Your temporary PIN has been set to 9902.": "Your temporary PIN has been set to nine nine zero two.",
    "The PIN changed from 1234 to 9902.": "The PIN changed from one two three four to nine nine zero two.",
    "Your four-digit PIN, 9902, was reset.": "Your four-digit PIN, nine nine zero two, was reset.",
    "Is it the last four: 7731?": "Is it the last four: seven seven three one?",
    "The last six 2019 models.": "The last six twenty nineteen models.",
    "Order no. 5567 is here.": "Order number five five six seven is here.",
    "Your order, number 100234, ships.": "Your order, number one zero zero, two three four, ships.",
    "Your confirmation number is QX-4471-B.": "Your confirmation number is Q X, four four seven one, B.",
    "RMA 99812 is open.": "RMA nine nine eight one two is open.",
    "Orders #1001 and #1002 are late.": "Orders one zero zero one and one zero zero two are late.",
    "Student ID 20231145.": "Student ID two zero two three, one one four five.",
    "Your PIN is: 4821.": "Your PIN is: four eight two one.",
    "The PIN for your new card is 4821.": "The PIN for your new card is four eight two one.",
    "The pin number, as you know, is 1234.": "The pin number, as you know, is one two three four.",
    "Your one-time code is 73 01 94.": "Your one-time code is seven three, zero one, nine four.",
    "Enter 5531 as the passcode.": "Enter five five three one as the passcode.",
    "4821 is your code.": "four eight two one is your code.",
    "What are the last four? I have 4242.": "What are the last four? I have four two four two.",
    "Visa ending 4242 is on file.": "Visa ending four two four two is on file.",
    "The card ending in 4242 was charged $20.": "The card ending in four two four two was charged twenty dollars.",
    "Your account number ends in 6789.": "Your account number ends in six seven eight nine.",
    "The last four of your Social are 1120.": "The last four of your Social are one one two zero.",
    "The ZIP code is 10001-1234.": "The ZIP code is one zero zero zero one, one two three four.",
    "Boston, MA 02134.": "Boston, MA zero two one three four.",
    "Use postcode SW1A 1AA.": "Use postcode S W one A, one A A.",
    "Order #48213 has shipped.": "Order four eight two one three has shipped.",
    "Order 48213 has shipped.": "Order four eight two one three has shipped.",
    "Order number 12 is ready.": "Order number twelve is ready.",
    "Case 2024-00153 is open.": "Case two zero two four, zero zero one five three is open.",
    "License plate 7ABC123.": "License plate seven A B C one two three.",
    "Passport number AB1234567.": "Passport number A B one two, three four five six, seven.",
    "The sort code is 20-00-00.": "The sort code is two zero, zero zero, zero zero.",
    "We need codes 4821 and 5533.": "We need codes four eight two one and five five three three.",
    "Error code 404 means not found.": "Error code four zero four means not found.",
    # the same words with an amount
    "The code is 4821 lines long.": "The code is four thousand eight hundred twenty-one lines long.",
    "The code has 4821 lines.": "The code has four thousand eight hundred twenty-one lines.",
    "Your code expires in 3600 seconds.": "Your code expires in three thousand six hundred seconds.",
    "The civil code of 1804.": "The civil code of eighteen oh four.",
    "The fiscal year ending in 2023.": "The fiscal year ending in twenty twenty-three.",
    "I will order 5000 units.": "I will order five thousand units.",
    "Your order of 120 pens is here.": "Your order of one hundred twenty pens is here.",
    "The number of people is 4821.": "The number of people is four thousand eight hundred twenty-one.",
    "The card was issued in 2019.": "The card was issued in twenty nineteen.",
    "The card costs 4821 dollars.": "The card costs four thousand eight hundred twenty-one dollars.",
    "Your account has 1500 points.": "Your account has fifteen hundred points.",
    "Her social security benefits are 1800 a month.": "Her social security benefits are eighteen hundred a month.",
    "The password is 8 characters long.": "The password is eight characters long.",
    "I have 1234567 stars.": "I have one million two hundred thirty-four thousand five hundred sixty-seven stars.",
    "The number 4821 is composite.": "The number four thousand eight hundred twenty-one is composite.",
    "Your phone bill is 120.": "Your phone bill is one hundred twenty.",
    "Please contact 200 people.": "Please contact two hundred people.",
    "The code 12 people wrote.": "The code twelve people wrote.",
    "You owe 4821 on your card.": "You owe four thousand eight hundred twenty-one on your card.",
    # seats, rooms, streets; but also temperatures and watts
    "You are in seat 14C, next to 14D.": "You are in seat fourteen C, next to fourteen D.",
    "Seats 14C and 14D are free.": "Seats fourteen C and fourteen D are free.",
    "Your seat is 9W.": "Your seat is nine W.",
    "You're in 14C.": "You're in fourteen C.",
    "Take bus 9W to room 12B.": "Take bus nine W to room twelve B.",
    "It leaves from gate 14C.": "It leaves from gate fourteen C.",
    "Apartment 3B is free.": "Apartment three B is free.",
    "Meet at 350 W 42nd Street.": "Meet at three hundred fifty West forty-second Street.",
    "We meet in 9W at noon.": "We meet in nine W at noon.",
    "Flat 12a is free.": "Flat twelve a is free.",
    "It needs 12V.": "It needs twelve volts.",
    "It is 14C outside.": "It is fourteen degrees Celsius outside.",
    "It is -5C or 41F.": "It is minus five degrees Celsius or forty-one degrees Fahrenheit.",
    "Bake at 200C.": "Bake at two hundred degrees Celsius.",
    "It uses 9W.": "It uses nine watts.",
    # versions; but also decimals
    "Python 3.12 is out.": "Python three point twelve is out.",
    "Version 3.10 comes after 3.9.": "Version three point ten comes after three point nine.",
    "Use Python 3.11 or 3.12.": "Use Python three point eleven or three point twelve.",
    "Ubuntu 24.04 and iOS 17.4.1.": "Ubuntu twenty-four point oh four and iOS seventeen point four point one.",
    "See section 4.12 of it.": "See section four point twelve of it.",
    "USB 3.0 is fast.": "USB three point zero is fast.",
    "It costs 3.12 dollars.": "It costs three point one two dollars.",
    "Pi is 3.14.": "Pi is three point one four.",
    # days without a year, and years
    "The meeting is on 3/5.": "The meeting is on March fifth.",
    "It is due by 12/25 or on Friday, 5/17.": "It is due by December twenty-fifth or on Friday, May seventeenth.",
    "It is between 3/5 and 3/8.": "It is between March fifth and March eighth.",
    "My birthday is 4/12.": "My birthday is April twelfth.",
    "It is so as of 11/3.": "It is so as of November third.",
    "It was moved to 4/19.": "It was moved to April nineteenth.",
    "See you 6/3.": "See you June third.",
    "It is the 5th of May. 5 May is near.": "It is the fifth of May. May fifth is near.",
    "My card expires 05/27.": "My card expires May twenty twenty-seven.",
    "Add 3/4 cup.": "Add three quarters cup.",
    "It was on 3/4 of the plate.": "It was on three quarters of the plate.",
    "He got 5/5 on the test.": "He got five out of five on the test.",
    "It was in 1066.": "It was in ten sixty-six.",
    "In 1066 William won.": "In ten sixty-six William won.",
    "In 1050 cases it worked.": "In one thousand fifty cases it worked.",
    "He was born in 1984.": "He was born in nineteen eighty-four.",
}


@pytest.mark.parametrize("written", SAID)
def test_is_said(written: str) -> None:
    assert said(written) == SAID[written]


IDENTIFYING = [
    *(
        "Your PIN is {}.",
        "The PIN: {}.",
        "Please use {} as your PIN.",
        "Your new PIN will be {}.",
        "Use PIN code {} here.",
    ),
    *("The code is {}.", "Your verification code is: {}.", "Enter code {} now.", "The access code for the gate is {}."),
    *("The confirmation code for your room is {}.", "It's a promo code, {}.", "The door code is now {}."),
    *("Here is your security code: {}.", "Your passcode is {}.", "The password is {}.", "My code? It's {}."),
    *("The last four digits are {}.", "It is the card ending in {}.", "Is your card ending with {} still valid?"),
    *("The last four of your social are {}.", "Her SSN ends in {} on this account.", "The CVV on the back is {}."),
    *("The ZIP code is {}.", "Your zip is {}, right?", "My postal code is {}.", "The area code is {}."),
    *("Your order number is {}.", "Order number {} is on its way.", "Your reference number is {}."),
    *(
        "The tracking number is {}.",
        "Your ticket number is: {}.",
        "Your case number is {}.",
        "Claim number {} was paid.",
    ),
    *(
        "Member ID {} is active.",
        "My customer number is {}.",
        "Your booking number is {}.",
        "Invoice number {} is open.",
    ),
    *("The serial number is {}.", "My account number is {}.", "The routing number is {}.", "My phone number is {}."),
    *("The policy number is {}.", "Your confirmation number is {}, thank you.", "The combination is {}."),
    *("Error code {} came up.", "His employee ID is {}.", "Your reservation number is {}.", "Extension {} is mine."),
]
NUMBERS = ["4821", "0042", "1984", "73905", "730194", "100200", "20304050"]


@pytest.mark.parametrize("frame", IDENTIFYING)
@pytest.mark.parametrize("figures", NUMBERS)
def test_an_identifier_is_said_digit_by_digit(frame: str, figures: str) -> None:
    before, after = frame.split("{}")
    words = said(frame.format(figures)).replace(",", "")
    assert f" {digits(figures)} " in f" {re.sub(r'[.:?!]', '', words)} ", words
    assert words.split()[0] == before.split()[0].strip("?")
    assert re.sub(r"\W", "", words).endswith(re.sub(r"\W", "", after))


COUNTING = [
    *(
        "We sold {} tickets.",
        "There are {} codes.",
        "It took {} steps.",
        "I counted {} cards.",
        "They have {} members.",
    ),
    *(
        "She drove {} miles.",
        "It costs {} dollars.",
        "He lost {} pounds.",
        "We need {} people.",
        "They called {} customers.",
    ),
    *("The case weighs {} grams.", "My account has {} points.", "The code has {} lines.", "The order has {} parts."),
    *("Your card has {} points left.", "The phone holds {} songs.", "The list has {} numbers.", "I read {} pages."),
    *("The password has {} letters.", "We shipped {} orders.", "It needs {} calories.", "The number of cars is {}."),
    *(
        "Its population is {}.",
        "The price is {} euros.",
        "It happened {} times.",
        "They cover {} miles.",
        "It has {} rooms.",
    ),
]
AMOUNTS = ["42", "380", "4821", "73905", "730194"]


@pytest.mark.parametrize("frame", COUNTING)
@pytest.mark.parametrize("figures", AMOUNTS)
def test_an_amount_is_said_as_a_number(frame: str, figures: str) -> None:
    assert f" {cardinal(int(figures))}" in said(frame.format(figures))


PLACES = [
    "Seat {}.",
    "Your seat is {}.",
    "You are in row {}.",
    "Go to gate {}.",
    "It's room {}.",
    "Take bus {}.",
    "Use exit {}.",
]


@pytest.mark.parametrize("frame", PLACES)
@pytest.mark.parametrize("place", ["9W", "14C", "7F", "12A", "3K", "101B", "22M"])
def test_a_letter_after_the_number_of_a_place_is_no_unit(frame: str, place: str) -> None:
    assert said(frame.format(place)).endswith(f" {number(place[:-1])} {place[-1]}.")


QUANTITIES = {"9W": "nine watts", "14C": "fourteen degrees Celsius", "12V": "twelve volts", "30s": "thirty seconds"}


@pytest.mark.parametrize("frame", ["It is {}.", "It was about {} then.", "We measured {}."])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_unit_after_a_quantity_is_said(frame: str, quantity: str) -> None:
    assert f" {QUANTITIES[quantity]}" in said(frame.format(quantity))


SOFTWARE = ["Python", "Ubuntu", "iOS", "Node.js", "Postgres", "version", "release", "Section", "Chapter", "Java"]


@pytest.mark.parametrize("name", SOFTWARE)
@pytest.mark.parametrize(
    ("version", "spoken"), [("3.12", "three point twelve"), ("24.04", "twenty-four point oh four")]
)
def test_the_parts_of_a_version_are_numbers(name: str, version: str, spoken: str) -> None:
    assert said(f"We use {name} {version} here.").endswith(f" {spoken} here.")


groups = st.lists(st.text(alphabet="0123456789", min_size=1, max_size=8), min_size=1, max_size=4)


@given(groups, st.sampled_from(" -"), st.sampled_from(["The code is {}.", "Your account number: {}.", "PIN {} it is."]))
def test_all_digits_of_an_identifier_are_said_in_order(parts: list[str], separator: str, frame: str) -> None:
    figures = separator.join(parts)
    if sum(map(len, parts)) < 3:
        figures += "777"
    assert f" {digits(figures)} " in f" {re.sub(r'[,.:]', '', said(frame.format(figures)))} "
