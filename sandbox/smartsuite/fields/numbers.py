"""Fields of numbers: number, currency, percent, slider, per cent complete, rating, duration, yes/no."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.smartsuite.account.record import Stored
from sandbox.smartsuite.errors import Invalid
from sandbox.smartsuite.fields.kind import Kind, Place

DECIMAL = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)
LARGEST_SCALE = 5


def is_number(value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or isinstance(value, float) and math.isfinite(value)


class NumberKind(Kind):
    """Keeps a number as the text that was sent: no exponent, no thousands separators."""

    filters = "number"

    def stored(self, value: Any, place: Place) -> Stored:
        if is_number(value) and place.switches.number_json == "accepted":
            value = format(Decimal(repr(value)), "f")
        if not isinstance(value, str) or not DECIMAL.match(value):
            raise Invalid("A valid number is required.")
        precision = place.field.params.get("precision")
        if place.switches.precision == "rounded" and isinstance(precision, int):
            return format(Decimal(value).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP), "f")
        return value

    def key(self, value: Stored, place: Place) -> Any:
        return Decimal(str(value))


class ScaleKind(Kind):
    """Keeps a JSON number between two bounds."""

    filters = "number"

    def __init__(self, lowest_key: str = "min_value", highest_key: str = "max_value", highest: int = 100) -> None:
        self._lowest_key, self._highest_key, self._highest = lowest_key, highest_key, highest

    def stored(self, value: Any, place: Place) -> Stored:
        if not is_number(value):
            raise Invalid("A valid number is required.")
        params = place.field.params
        lowest, highest = params.get(self._lowest_key) or 0, params.get(self._highest_key) or self._highest
        if value < lowest:
            raise Invalid(f"Ensure this value is greater than or equal to {lowest}.")
        if value > highest:
            raise Invalid(f"Ensure this value is less than or equal to {highest}.")
        return value

    def key(self, value: Stored, place: Place) -> Any:
        return Decimal(str(value))


class DurationKind(Kind):
    """Keeps seconds; an answer shows them as a text with a fraction."""

    filters = "number"

    def stored(self, value: Any, place: Place) -> Stored:
        form = place.switches.duration_form
        if is_number(value) and form != "text":
            return Decimal(repr(value))
        if not isinstance(value, str) or not DECIMAL.match(value) or form == "number":
            raise Invalid("A valid number is required.")
        return Decimal(value)

    def shown(self, value: Stored, place: Place) -> Any:
        text = format(value, "f")
        return text if "." in text else f"{text}.0"


class YesNoKind(Kind):
    filters, empty = "yesno", False

    def stored(self, value: Any, place: Place) -> Stored:
        if not isinstance(value, bool):
            raise Invalid("Must be a valid boolean.")
        return value
