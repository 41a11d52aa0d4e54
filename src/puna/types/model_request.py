"""The base of all requests to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from puna.errors import BadRequestError
from puna.types.display import display, kind_of

ParamChecks = Mapping[str, tuple[Callable[[Any], bool], str]]
"""OpenAI's parameters of one kind of request: what each must be, and how an error says so."""


@dataclass(frozen=True, slots=True)
class ModelRequest(ABC):
    """The common part of requests.

    Attributes:
        model: the requested name; a deployment replaces it by its upstream name.
        params: OpenAI's parameters that the caller gave, without nulls.
        extra: other body fields, sent unchanged at the top level.
        headers: extra request headers, lower-case names.
        is_stream: whether a stream is requested.
        drop_params: leave out what the host cannot do, and report it, instead of refusing.
        allowed_params: sent although the provider's row does not know them.
        unwanted_params: never sent.
    """

    model: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, kw_only=True)
    is_stream: bool = field(default=False, kw_only=True)
    drop_params: bool = field(default=False, kw_only=True)
    allowed_params: frozenset[str] = field(default=frozenset(), kw_only=True)
    unwanted_params: frozenset[str] = field(default=frozenset(), kw_only=True)

    def with_overrides(self, params: Mapping[str, Any]) -> Self:
        """This request with parameters that replace the caller's."""
        known, extra = self.split(params)
        own = self.without_aliases(self.params, known)
        return replace(self, params={**own, **known}, extra={**self.extra, **extra})

    def with_defaults(self, params: Mapping[str, Any]) -> Self:
        """This request with a deployment's default parameters; the caller's values win."""
        known, extra = self.split(self.usable_defaults(params))
        filled = self.without_aliases(known, self.params)
        return replace(self, params={**filled, **self.params}, extra={**extra, **self.extra})

    @classmethod
    def usable_defaults(cls, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Pick the default parameters of a deployment that this kind of request has."""
        return params

    @classmethod
    @abstractmethod
    def split(cls, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split fields into the checked parameters of this kind of request, and all others."""

    @staticmethod
    def without_aliases(params: Mapping[str, Any], winners: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters without the aliases of those in `winners`.

        This base class knows no aliases.
        """
        del winners
        return params


def check_model(model: Any) -> str:
    """The model's name. Raises BadRequestError for a value that cannot be one."""
    if not isinstance(model, str) or not model.strip():
        given = "an empty text" if isinstance(model, str) else kind_of(model)
        raise BadRequestError(
            f"`model` must be a name such as `provider/model`, not {given}.", param="model"
        )
    return model


def check_extra_body(extra_body: Any, own_fields: tuple[str, ...]) -> Mapping[str, Any]:
    """Check `extra_body`, which must not hold fields that have an argument of their own.

    Raises:
        BadRequestError: it holds one, or is no object.
    """
    if extra_body is None:
        return {}
    if not isinstance(extra_body, Mapping):
        raise BadRequestError("`extra_body` must be an object.", param="extra_body")
    for name in own_fields:
        if name in extra_body:
            raise BadRequestError(
                f"`extra_body` holds `{name}`; give it as an argument of its own.",
                param=f"extra_body.{name}",
            )
    return extra_body


def sort_params(
    fields: Mapping[str, Any], checks: ParamChecks
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split fields into the parameters in `checks`, which are checked, and all others; no nulls.

    Raises:
        BadRequestError: a parameter has a wrong type or value.
    """
    params: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in fields.items():
        if value is None:
            continue
        check = checks.get(name)
        if check is None:
            extra[name] = value
            continue
        is_right, expected = check
        if not is_right(value):
            raise BadRequestError(
                f"`{name}` must be {expected}, not `{display(value)}`.", param=name
            )
        params[name] = value
    return params, extra
