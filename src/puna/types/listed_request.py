"""The base of requests other than chat, each of which has a table of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from typing_extensions import override

from puna.types.model_request import ModelRequest, ParamChecks, sort_params
from puna.types.requests import PARAMS


@dataclass(frozen=True, slots=True)
class ListedRequest(ModelRequest):
    """A request whose parameters are those of `known_params`; other fields are sent unchanged."""

    known_params: ClassVar[ParamChecks]

    @classmethod
    @override
    def usable_defaults(cls, params: Mapping[str, Any]) -> Mapping[str, Any]:
        # What only chat has, such as `tools`, says nothing here, and a host may refuse it.
        known = cls.known_params
        return {n: value for n, value in params.items() if n in known or n not in PARAMS}

    @classmethod
    @override
    def split(cls, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return sort_params(fields, cls.known_params)
