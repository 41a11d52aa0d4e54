"""Names of LiteLLM's router that other programs look up. The router itself is not built yet."""

from __future__ import annotations

from collections.abc import Sequence

from litellm.released import getattr_of


class RouterRateLimitError(ValueError):
    """No deployment of a model is free. Here for its name: nothing raises it."""

    def __init__(
        self,
        model: str,
        cooldown_time: float,
        enable_pre_call_checks: bool,  # noqa: FBT001 - LiteLLM's signature
        cooldown_list: list[str],
        model_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(
            f"No deployment of `{model}` is free; try again in {cooldown_time} seconds."
        )
        self.model = model
        self.cooldown_time = cooldown_time
        self.enable_pre_call_checks = enable_pre_call_checks
        self.cooldown_list = cooldown_list
        self.model_ids = model_ids


__getattr__ = getattr_of(__name__)
