"""What all of LiteLLM's exceptions of a call share, and their second base.

LiteLLM's classes derive from the `openai` package's. That package is not needed here; when it is
loaded (before or after this module), each class gets the `openai` class of the same meaning as a
second base, so that `except openai.RateLimitError` catches `litellm.RateLimitError`. This happens
when the next exception is made (`adopt_openai_bases`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any, ClassVar, cast


class ErrorResponse:
    """The reply behind an error, as far as people read it: an HTTP client's object is not kept.

    `headers` have lower-case names; `text` is the body, capped, and empty when there was no reply.
    """

    def __init__(
        self, status_code: int, headers: Mapping[str, str] | None = None, text: str = ""
    ) -> None:
        self.status_code = status_code
        self.headers = dict(headers or {})
        self.text = text

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return self.text.encode()

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.text)

    def __repr__(self) -> str:
        return f"<ErrorResponse [{self.status_code}]>"


class CallFailure(Exception):  # noqa: N818 - the public names below are LiteLLM's
    """What all of LiteLLM's exceptions of a call share.

    A class says in `order` which arguments it takes; the first `needed` of them must be given. One
    that is left out, or None, is the class's attribute of that name. An argument becomes an
    attribute; without an argument `message`, `template` is filled with the others.
    """

    order: ClassVar[tuple[str, ...]] = ()
    needed: ClassVar[int] = 3
    prefix: ClassVar[str] = ""
    template: ClassVar[str] = ""
    __signature__: ClassVar[Signature] = Signature()

    message: str
    status_code: int = 500
    model: str | None = None
    llm_provider: str | None = None
    litellm_debug_info: str | None = None
    max_retries: int | None = None
    num_retries: int | None = None
    response: Any = None
    request: Any = None
    request_id: str | None = None
    body: object = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    litellm_response_headers: dict[str, str] | None = None

    def __init_subclass__(cls, *, openai_name: str | None = None) -> None:
        if openai_name is not None:
            _OPENAI_NAMES[cls] = openai_name
        cls.__signature__ = Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD,
                    default=Parameter.empty if place < cls.needed else getattr(cls, name, None),
                )
                for place, name in enumerate(cls.order)
            ]
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        adopt_openai_bases()
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        for name, value in given.items():
            if value is not None:
                setattr(self, _ATTRIBUTES.get(name, name), value)
        message = given.get("message", self.template.format_map(given))
        self.message = f"{self.prefix}{message}"
        self.args = (self.message,)
        if self.response is None:
            self.response = ErrorResponse(self.status_code)

    def __str__(self) -> str:
        text = self.message
        if self.num_retries:
            text += f" LiteLLM Retried: {self.num_retries} times"
            if self.max_retries:
                text += f", LiteLLM Max Retries: {self.max_retries}"
        return text

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), self.args, self.__dict__))


def _restore(cls: type[CallFailure], args: tuple[Any, ...], state: dict[str, Any]) -> CallFailure:
    """Rebuild a pickled or copied exception without asking its constructor."""
    adopt_openai_bases()
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


_ATTRIBUTES = {"custom_llm_provider": "llm_provider", "exception_status_code": "status_code"}
"""Arguments whose attribute has another name."""

_OPENAI_NAMES: dict[type[CallFailure], str] = {}
"""The classes that get a base of `openai`, and its name there."""


def adopt_openai_bases() -> None:
    """Give every class its `openai` base, once that package is loaded. Costs nothing before.

    Classes are changed in place, so that `litellm.RateLimitError` stays the one class that
    callers compare with and pickles name, and exceptions made earlier are caught too.
    """
    module = sys.modules.get("openai")
    if module is None or all(len(cls.__bases__) > 1 for cls in _OPENAI_NAMES):
        return
    found = {cls: getattr(module, name, None) for cls, name in _OPENAI_NAMES.items()}
    if not all(isinstance(base, type) and issubclass(base, Exception) for base in found.values()):
        return  # half imported, or a stand-in of somebody's tests
    for cls, base in found.items():
        own = cls.__bases__[0]
        cls.__bases__ = (own, cast("type[Exception]", base))
