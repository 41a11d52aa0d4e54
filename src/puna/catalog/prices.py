"""Prices and costs as ints, in picos: 1e-12 US dollar.

The unit is fine enough for every published price (one dollar per million tokens is 1,000,000 picos
per token), so costs add up exactly. Floats of dollars are only made for display, by `dollars`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from puna.errors import ConfigError

PICOS_PER_DOLLAR = 10**12

_PRECISION = 60
_LARGEST_EXPONENT = 24  # of a price in picos: a million million dollars per token


@dataclass(frozen=True, slots=True)
class Price:
    """What one token costs, in picos, by kind.

    All zero means free. An unknown price is None, not a `Price`. `cached_input_picos` is for prompt
    tokens read from the host's cache; None means that they cost what other prompt tokens cost. The
    same holds for those written to its cache, `cache_write_picos`, and those kept there for an
    hour, `cache_write_1h_picos`.
    """

    input_picos: int
    output_picos: int
    cached_input_picos: int | None = None
    cache_write_picos: int | None = None
    cache_write_1h_picos: int | None = None

    def __post_init__(self) -> None:
        for picos in (
            self.input_picos,
            self.output_picos,
            self.cached_input_picos or 0,
            self.cache_write_picos or 0,
            self.cache_write_1h_picos or 0,
        ):
            if picos < 0:
                raise ConfigError(f"A price of `{picos}` picos is below zero. Use 0 for free.")

    @property
    def is_free(self) -> bool:
        """Whether no kind of token costs anything."""
        return not (self.input_picos or self.output_picos or self.cached_input_picos)


FREE = Price(input_picos=0, output_picos=0, cached_input_picos=0)


def picos_from_dollars(amount: str | float | Decimal) -> int:
    """Whole picos from US dollars, read from the decimal text of the number.

    A float counts as the decimal number it prints as, so 1.5e-07 is exactly 150,000. A number
    between two picos goes to the nearest one: that undoes the dust of float arithmetic, as in
    0.1 / 1_000_000.

    Raises ValueError, whose text completes "The amount `x` …", for what is not a number or absurdly
    large, is below zero, or is above zero and yet so small that it would be rounded to nothing.
    """
    try:
        with localcontext() as context:
            context.prec = _PRECISION
            exact = Decimal(str(amount)) * PICOS_PER_DOLLAR
    except ArithmeticError as problem:
        raise ValueError("is not a usable number") from problem
    if not exact.is_finite() or exact.adjusted() > _LARGEST_EXPONENT:
        raise ValueError("is not a usable number")
    if exact < 0:
        raise ValueError("is below zero")
    picos = int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
    if exact and not picos:
        raise ValueError("is finer than 1e-12 US dollars")
    return picos


def price_from_dollars_per_token(dollars_per_token: str | float | Decimal) -> int:
    """Whole picos per token from US dollars per token: `"0.00000125"` gives 1,250,000.

    The number is read as `picos_from_dollars` does.

    Raises `ConfigError` where that raises ValueError.
    """
    try:
        return picos_from_dollars(dollars_per_token)
    except ValueError as problem:
        raise ConfigError(
            f"A price of `{dollars_per_token}` US dollars per token {problem}. "
            "Give a number such as `0.00000125`, or 0 for free."
        ) from problem


def price_from_dollars_per_million(dollars_per_million: str | float | Decimal) -> int:
    """Whole picos per token from US dollars per million tokens, as price lists print them.

    Raises `ConfigError` as `price_from_dollars_per_token` does.
    """
    return price_from_dollars_per_token(f"{dollars_per_million}e-6")


def cost_picos(
    price: Price,
    prompt_tokens: int,
    completion_tokens: int,
    cached_tokens: int = 0,
    written_tokens: tuple[int, int] = (0, 0),
) -> int:
    """The cost of a call in picos.

    `cached_tokens` are the part of `prompt_tokens` that was read from the host's cache, as in
    OpenAI's usage, and `written_tokens` the parts that were written to it, for minutes and for an
    hour. Each prompt token is billed once: a host that reports more of them than prompt tokens is
    billed for the prompt tokens it reports.

    Raises ValueError for a count below zero.
    """
    counts = (prompt_tokens, completion_tokens, cached_tokens, *written_tokens)
    if min(counts) < 0:
        told = ", ".join(f"`{count}`" for count in counts)
        raise ValueError(f"Token counts cannot be below zero: {told}.")
    fresh = prompt_tokens
    total = completion_tokens * price.output_picos
    for count, picos in (
        (cached_tokens, price.cached_input_picos),
        (written_tokens[0], price.cache_write_picos),
        (written_tokens[1], price.cache_write_1h_picos),
    ):
        billed = min(count, fresh)
        fresh -= billed
        total += billed * (price.input_picos if picos is None else picos)
    return total + fresh * price.input_picos


def dollars(picos: int) -> float:
    """The float of US dollars nearest to this many picos. For display, not for adding up."""
    return picos / PICOS_PER_DOLLAR


__all__ = [
    "FREE",
    "PICOS_PER_DOLLAR",
    "Price",
    "cost_picos",
    "dollars",
    "picos_from_dollars",
    "price_from_dollars_per_million",
    "price_from_dollars_per_token",
]
