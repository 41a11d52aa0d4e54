"""What may be spent: a budget is a limit on one scope, in one unit, for one window of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from puna.governance.windows import Window

Unit = Literal["money", "tokens"]
"""What is counted: `money` in pico-dollars, `tokens` in tokens of prompts and answers together."""

GLOBAL_SCOPE: Final = "global"
"""The scope of all requests of the gateway."""

SCOPE_KINDS: Final = ("key", "team", "user", "organization", "customer", "tag", "model")
"""The kinds of other scopes; one is written `KIND:ID`, as in `team:research`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on what one scope may use in one window.

    Attributes:
        scope: whose: `key:<SHA-256 in hex>`, `team:<id>`, `user:<id>`, `organization:<id>`,
            `customer:<id>`, `tag:<name>`, `model:<name>`, or `global`.
        unit: what is counted.
        limit: the most that may be used in one window: pico-dollars, or tokens.
        window: when it starts anew.
        soft_limit: from how much on it is reported, without refusing anything; None for never.
        is_strict: whether the limit cannot be passed at all: what an answer may use is limited to
            what the budget still pays. Without it, an answer that uses more than was reserved for
            it leaves a debt.

    Raises:
        ValueError: the scope is of no known kind or names nobody, or a limit is below zero.
    """

    scope: str
    unit: Unit
    limit: int
    window: Window
    soft_limit: int | None = None
    is_strict: bool = False

    def __post_init__(self) -> None:
        kind, _, name = self.scope.partition(":")
        if self.scope != GLOBAL_SCOPE and not (kind in SCOPE_KINDS and name):
            known = ", ".join(f"`{one}:…`" for one in SCOPE_KINDS)
            raise ValueError(
                f"The scope `{self.scope}` of a budget is not known. Give `{GLOBAL_SCOPE}`, or one "
                f"of {known}."
            )
        for limit in (self.limit, self.soft_limit or 0):
            if limit < 0:
                raise ValueError(f"A budget of `{limit}` is below zero. Give 0 to refuse all.")
