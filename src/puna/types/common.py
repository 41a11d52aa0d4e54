"""The base of all public types, and usage."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr
from typing_extensions import override

from puna.types.report import CallReport


class WireModel(BaseModel):
    """A pydantic model that keeps unknown fields and can be read like a dict.

    `value["field"]`, `value.get("field")` and `"field" in value` work beside attributes.
    """

    model_config = ConfigDict(extra="allow", protected_namespaces=(), defer_build=False)

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (
            key in type(self).model_fields or key in (self.__pydantic_extra__ or {})
        )

    def get(self, key: str, default: Any = None) -> Any:
        """The field's value, or `default` where it is absent or null."""
        value = getattr(self, key) if key in self else None
        return default if value is None else value

    @override
    def json(self, **kwargs: Any) -> str:
        """The value as JSON text (what pydantic 2 calls `model_dump_json`)."""
        return self.model_dump_json(**kwargs)

    def to_dict(self) -> dict[str, Any]:
        """The fields that the upstream sent, unknown ones included, as plain values."""
        return self.model_dump(mode="json", exclude_unset=True)

    def to_json(self) -> str:
        """`to_dict()` as JSON text."""
        return self.model_dump_json(exclude_unset=True)

    def to_json_bytes(self) -> bytes:
        """`to_json()` in UTF-8, without the text in between."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


class Answer(WireModel):
    """The base of whole answers: chat, text completions, vectors, responses and so on.

    `report` says how the call went: provider, attempts, duration, cost, what was dropped.
    """

    _report: CallReport | None = PrivateAttr(default=None)

    @property
    def report(self) -> CallReport | None:
        """The report of the call, or None for an answer that did not come from a call."""
        return self._report

    def with_report(self, report: CallReport | None) -> Self:
        """Set the report, and return this answer."""
        self._report = report
        return self


class PromptTokensDetails(WireModel):
    """The prompt tokens by kind; each kind is part of `Usage.prompt_tokens`.

    `cached_tokens` were read from the host's cache; `cache_creation_tokens` were written to it,
    where a host bills that separately. No token is both.
    """

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_creation_tokens: int | None = None

    @property
    def written_tokens(self) -> tuple[int, int]:
        """The tokens written to the cache: those kept for minutes, and those kept for an hour."""
        details = (self.model_extra or {}).get("cache_creation_token_details")
        told = details.get("ephemeral_1h_input_tokens") if isinstance(details, dict) else 0
        written = self.cache_creation_tokens or 0
        for_hour = min(max(told, 0), written) if isinstance(told, int) else 0
        return written - for_hour, for_hour


class CompletionTokensDetails(WireModel):
    """The completion tokens by kind; each kind is part of `Usage.completion_tokens`."""

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class Usage(WireModel):
    """The tokens of one call. `is_estimate` says that the host gave none and Puna counted."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None

    @classmethod
    def estimated(cls, prompt_tokens: int, completion_tokens: int) -> Self:
        """The usage of a call whose host reports none, by Puna's own count."""
        return cls.model_validate(
            {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
                "estimated": True,
            }
        )

    @property
    def is_estimate(self) -> bool:
        """Whether Puna counted these tokens itself."""
        return bool((self.__pydantic_extra__ or {}).get("estimated", False))
