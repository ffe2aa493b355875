"""Makes people and their addresses up.

The names are plainly invented, e-mail addresses end in example.com, and telephone numbers lie in the block that is
kept for fiction."""

from __future__ import annotations

from msgspec import Struct

from sandbox.common.dice import Dice

FIRST = (
    "Ada Ben Cora Dino Elsa Finn Gwen Hugo Iris Jack Kira Liam Mona Nils Olga Pete Quinn Rosa Seth Tara Ugo Vera "
    "Walt Xena Yuri Zoë José Søren Łucja Renée Mary-Ann Björn"
).split()
LAST = (
    "Testman Sampleton Mockford Fakeley Dummyson Placeholder Exampleby Stubbins Loremworth Ipsumfield Fixture "
    "Blankenship-Test Nullfort Demoux Proofrock Trialson Draftman Specimen O'Sample Prototypova Müßterfrau "
    "Beispiel Muñez-Ficticio Señalado"
).split()
STREETS = (
    "Example",
    "Sample",
    "Placeholder",
    "Fixture",
    "Mockingbird Test",
    "Lorem",
    "Ipsum",
    "Dolor",
    "Demo Ridge",
    "Specimen Hill",
    "Stub",
    "Null Island",
    "Trial Oak",
    "Draft Pine",
)
KINDS = ("St", "Ave", "Rd", "Ln", "Dr", "Blvd", "Ct", "Way")
CITIES = (
    ("Dallas", "TX", "75201", "214"),
    ("Plano", "TX", "75023", "972"),
    ("Denver", "CO", "80202", "303"),
    ("Tulsa", "OK", "74103", "918"),
    ("Wichita", "KS", "67202", "316"),
    ("Omaha", "NE", "68102", "402"),
    ("St. Paul", "MN", "55101", "651"),
    ("Nashville", "TN", "37203", "615"),
    ("Austin", "TX", "78701", "512"),
)
STATES = {
    "TX": "Texas",
    "CO": "Colorado",
    "OK": "Oklahoma",
    "KS": "Kansas",
    "NE": "Nebraska",
    "MN": "Minnesota",
    "TN": "Tennessee",
}
MESSY = (
    "see notes",
    "123 Unknown",
    "Corner of Sample & Example, near the water tower",
    "PO Box 12 Testville",
    "TBD",
    "12 Example St\nRear house",
    "??? Dallas",
    "-",
)  # what people write when they know no address


class Person(Struct, frozen=True):
    first: str
    last: str
    email: str
    phone: tuple[str, str]

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def person(seed: int, role: int, index: int) -> Person:
    """Makes the index-th person of a role; the same person each time."""
    dice = Dice(seed, role, index)
    first, last = dice.pick(FIRST), dice.pick(LAST)
    local = ascii_only(f"{first}.{last}".lower())
    return Person(first, last, f"{local}.{role}{index}@example.com", phone(dice))


def ascii_only(text: str) -> str:
    plain = text.translate(str.maketrans("éëøłßñü'öž", "eeolsnu-oz"))
    return "".join(c for c in plain if c.isascii() and (c.isalnum() or c in ".-"))


def phone(dice: Dice) -> tuple[str, str]:
    number = f"1{dice.pick(CITIES)[3]}55501{dice.roll(100):02d}"
    return (number if dice.chance(150) else f"+{number}"), "US"


class Address(Struct, frozen=True):
    street: str
    city: str
    state: str
    zip: str
    line: str


def address(dice: Dice, messy_per_mille: int = 60) -> Address:
    """Makes a US postal address, in one of the forms in which people write them."""
    city, state, code, _ = dice.pick(CITIES)
    street = f"{dice.roll(9900) + 100} {dice.pick(STREETS)} {dice.pick(KINDS)}"
    if dice.chance(150):
        street += f" {dice.pick(('Apt', 'Unit', 'Suite', '#'))} {dice.roll(90) + 1}".replace("# ", "#")
    if dice.chance(100):
        code = f"{code}-{dice.roll(9000) + 1000}"
    line = dice.pick(
        (
            f"{street}, {city}, {state} {code}",
            f"{street}, {city}, {state} {code}, USA",
            f"{street}, {city} {state} {code}",
            f"{street}, {city}, {STATES[state]} {code}",
            f"{street.upper()}, {city.upper()}, {state}, {code}",
        )
    )
    # no address at all
    if dice.chance(messy_per_mille):
        line = dice.pick(MESSY)
    return Address(street, city, state, code, line)


def with_blanks(dice: Dice, text: str) -> str:
    """Adds the blanks that a person now and then types around a text."""
    return f" {text} " if dice.chance(20) else text
