"""Amounts that budgets are counted in: ints of pico-dollars (1e-12 US dollars), and of tokens."""

from __future__ import annotations

from decimal import Decimal

from puna.catalog.prices import picos_from_dollars

_SHOWN = 40
_MOST_BITS = 1_000


def pico_dollars(amount: Decimal | float | str) -> int:
    """Pico-dollars from US dollars, read from the decimal text of the number, never from its bits.

    `0.1`, `"0.1"` and `Decimal("0.1")` all give 100,000,000,000. A number between two pico-dollars
    goes to the nearest one.

    Raises:
        ValueError: `amount` is no finite number, below zero, above zero but less than half a
            pico-dollar, or too large to be meant (above a million million dollars).
    """
    if isinstance(amount, int) and amount.bit_length() > _MOST_BITS:
        raise ValueError("The amount has too many digits. Give US dollars, such as `12.50`.")
    try:
        return picos_from_dollars(amount)
    except ValueError as problem:
        raise ValueError(
            f"The amount `{str(amount)[:_SHOWN]}` {problem}. Give US dollars, such as `12.50`."
        ) from problem


def dollars(picos: int) -> Decimal:
    """The US dollars of so many pico-dollars, exactly; format it with `:f`."""
    sign = 1 if picos < 0 else 0
    digits = tuple(map(int, str(abs(picos))))
    exact = Decimal((sign, digits, -12))
    whole = exact.to_integral_value()
    if exact == whole:
        return whole
    return Decimal(f"{exact:f}".rstrip("0"))
