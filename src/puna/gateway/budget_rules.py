"""Reads the budgets of a configuration, and what is asked of calls under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from puna.config.schema import (
    DEFAULT_BUDGET_WAIT_S,
    DEFAULT_ESTIMATED_OUTPUT_TOKENS,
    SettingsConfig,
)
from puna.errors import ConfigError
from puna.governance.amounts import pico_dollars
from puna.governance.budgets import GLOBAL_SCOPE, Budget
from puna.governance.windows import Window


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """What a configuration says of budgets.

    Attributes:
        common: the budgets of all requests.
        of_models: those of single models, by public name.
        answer_tokens: what is held for an answer without a limit.
        blocks_unpriced: whether calls without a known price are refused under a money budget.
        status_code: the status of a refusal.
        wait_s: how long a visit waits for what others hold.
    """

    common: tuple[Budget, ...] = ()
    of_models: Mapping[str, tuple[Budget, ...]] = field(
        default_factory=dict[str, tuple[Budget, ...]]
    )
    answer_tokens: int = DEFAULT_ESTIMATED_OUTPUT_TOKENS
    blocks_unpriced: bool = False
    status_code: int = 429
    wait_s: float = DEFAULT_BUDGET_WAIT_S

    @classmethod
    def of(cls, settings: SettingsConfig) -> BudgetRules:
        """Read them from `litellm_settings`.

        Raises:
            ConfigError: an amount or a duration cannot be used.
        """
        is_strict = settings.strict_budget
        return cls(
            _budgets(
                GLOBAL_SCOPE,
                settings.max_budget,
                settings.max_tokens_budget,
                settings.budget_duration,
                is_strict=is_strict,
            ),
            {
                model: _budgets(
                    f"model:{model}",
                    one.max_budget,
                    one.max_tokens_budget,
                    one.budget_duration,
                    is_strict=is_strict,
                )
                for model, one in settings.model_max_budget.items()
            },
            settings.default_estimated_output_tokens,
            settings.unpriced_calls == "block",
            settings.budget_exceeded_status_code,
            settings.budget_wait_s,
        )

    @property
    def has_budgets(self) -> bool:
        """Whether there are any, beside those of keys."""
        return bool(self.common or any(self.of_models.values()))


def _budgets(
    scope: str, money: str | None, tokens: int | None, duration: str | None, *, is_strict: bool
) -> tuple[Budget, ...]:
    try:
        window = Window.parse(duration)
        of_money = () if money is None else (pico_dollars(money),)
    except ValueError as problem:
        raise ConfigError(f"The budget of `{scope}`: {problem}", key="litellm_settings") from None
    return (
        *(Budget(scope, "money", limit, window, None, is_strict) for limit in of_money),
        *(
            Budget(scope, "tokens", limit, window, None, is_strict)
            for limit in (() if tokens is None else (tokens,))
        ),
    )
