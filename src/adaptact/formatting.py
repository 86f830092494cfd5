"""Numbers as people read them."""

from __future__ import annotations

import math
from typing import Any

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MOST_PLACES = 8  # decimals of a number that is written out


def number(value: Any, *, signed: bool = False, digits: int = 4) -> str:
    """A number with so many significant digits, written out as far as that can be read; a dash where there is none.

    >>> number(0.00005), number(123456.7), number(1.85e-12), number(0.25, signed=True), number(None)
    ('0.00005', '123,457', '1.85 × 10⁻¹²', '+0.25', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"  # also where it is a negative zero
    sign = "+" if signed else ""
    if abs(value) >= 10**digits:
        return f"{value:{sign},.0f}"
    text = f"{value:{sign}.{digits}g}"
    if "e" not in text:
        return text
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -MOST_PLACES:
        mantissa, _, power = text.partition("e")
        return f"{mantissa} × 10{str(int(power)).translate(SUPERSCRIPTS)}"
    return f"{value:{sign}.{digits - 1 - exponent}f}".rstrip("0").rstrip(".")
