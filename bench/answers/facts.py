"""Tables of facts, from which questions are made. The other answers of a table are the rivals of the right one."""

FACTS: dict[str, dict[str, tuple[str, ...]]] = {
    "What is the capital of {}?": {
        "France": ("Paris",),
        "Italy": ("Rome",),
        "Spain": ("Madrid",),
        "Germany": ("Berlin",),
        "Japan": ("Tokyo",),
        "Egypt": ("Cairo",),
        "Greece": ("Athens",),
        "Portugal": ("Lisbon",),
        "Austria": ("Vienna",),
        "Poland": ("Warsaw",),
        "Canada": ("Ottawa",),
        "Russia": ("Moscow",),
        "China": ("Beijing",),
        "Peru": ("Lima",),
        "Sweden": ("Stockholm",),
        "Hungary": ("Budapest",),
    },
    "Which planet {}?": {
        "is closest to the sun": ("Mercury",),
        "is the largest of the solar system": ("Jupiter",),
        "is called the red planet": ("Mars",),
        "do people live on": ("Earth",),
        "is famous for its bright rings": ("Saturn",),
    },
    "Who wrote {}?": {
        "Romeo and Juliet": ("Shakespeare",),
        "Pride and Prejudice": ("Austen",),
        "Oliver Twist": ("Dickens",),
        "War and Peace": ("Tolstoy",),
        "The Hobbit": ("Tolkien",),
    },
    "Which language do most people speak in {}?": {
        "Brazil": ("Portuguese",),
        "Mexico": ("Spanish",),
        "Austria": ("German",),
        "Egypt": ("Arabic",),
        "Australia": ("English",),
    },
    "On which continent is {}?": {
        "Kenya": ("Africa", "African"),
        "Argentina": ("South America", "South American"),
        "Japan": ("Asia", "Asian"),
        "Germany": ("Europe", "European"),
        "Canada": ("North America", "North American"),
    },
    "Which colour do you get when you mix {}?": {
        "blue and yellow": ("green",),
        "red and yellow": ("orange",),
        "red and white": ("pink",),
        "red and blue": ("purple", "violet"),
        "black and white": ("gray", "grey"),
    },
    "Which animal {}?": {
        "makes honey": ("bee", "bees", "honeybee", "honeybees"),
        "gives us wool": ("sheep", "lamb"),
        "barks": ("dog", "dogs"),
        "has a trunk": ("elephant", "elephants"),
        "has a very long neck": ("giraffe", "giraffes"),
        "says meow": ("cat", "cats"),
    },
}

COUNTS = {
    "How many legs does a spider have?": 8,
    "How many legs does an insect have?": 6,
    "How many continents are there?": 7,
    "How many sides does a hexagon have?": 6,
    "How many letters does the English alphabet have?": 26,
    "How many strings does a violin have?": 4,
    "How many planets are in our solar system?": 8,
    "How many wheels does a tricycle have?": 3,
}

CONVERSIONS = (
    # how many, of one unit, each of which has so many
    ("minutes", "hours", 60),
    ("seconds", "minutes", 60),
    ("hours", "days", 24),
    ("days", "weeks", 7),
    ("months", "years", 12),
    ("centimeters", "meters", 100),
    ("meters", "kilometers", 1000),
    ("grams", "kilograms", 1000),
    ("cents", "dollars", 100),
    ("inches", "feet", 12),
    ("eggs", "dozens", 12),
)
"""Units: how many of the first are in one of the second."""

MONTH_LENGTHS = {"January": 31, "March": 31, "April": 30, "June": 30, "July": 31, "September": 30, "November": 30}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

SIZES = ("an ant", "a mouse", "a cat", "a horse", "an elephant")
"""From the smallest to the largest."""
ODD_ONES = (
    # alike, and the one that is not
    ("fruit", ("an apple", "a banana", "a pear"), ("a hammer", "a chair", "a shoe")),
    ("animal", ("a dog", "a cow", "a rabbit"), ("a table", "a spoon", "a bicycle")),
    ("vehicle", ("a car", "a train", "a bus"), ("a lemon", "a pillow", "a pencil")),
)
PEOPLE = ("Peter", "Mary", "David", "Susan", "Thomas", "Laura", "Robert", "Helen")
PETS = ("Rex", "Luna", "Max", "Bella", "Charlie", "Daisy", "Rocky", "Molly")
CITIES = ("Paris", "London", "Berlin", "Rome", "Madrid", "Boston", "Chicago", "Tokyo")
ROOMS = ("kitchen", "bedroom", "garden", "garage", "bathroom")
COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "violet", "pink", "black", "white", "brown", "indigo")
WORDS = ("cat", "house", "tree", "water", "bread", "music", "green", "river")
SENTENCES = ("the sun is warm", "good morning everyone", "we are ready to go", "tea is better than coffee")
