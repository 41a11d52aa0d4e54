"""What an option may be and where it may stand: the columns of the table in `options.py`.

A `Kind` checks the values of keywords and of request fields, and is their JSON schema. How a kind
is read from a configuration file is in `config/options.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, cast

from puna.errors import BadRequestError
from puna.types.counts import is_number
from puna.types.display import display
from puna.types.secret import Secret

Schema = Mapping[str, Any]

_YEAR_S = 31_536_000
_DAY_S = 86_400
_MOST_RETRIES = 10
_MOST_NAMES = 32
_DURATION = re.compile(r"0*[1-9][0-9]{0,8}(?:s|m|h|d|w|mo)|hourly|daily|weekly|monthly")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Scope(Enum):
    """A place where options are given; the value names it in messages and docs."""

    CALL = "a keyword of a call in Python"
    FALLBACK = "an object in `fallbacks` of a call in Python"
    REQUEST = "a field of a request to the gateway"
    DEPLOYMENT = "`litellm_params`"
    MODEL = "`model_info`"
    SETTINGS = "`litellm_settings`"
    ROUTER = "`router_settings`"
    GENERAL = "`general_settings`"
    DROP_IN = "a keyword of the drop-in `litellm`"

    __hash__ = object.__hash__  # members are the same objects everywhere; Enum's own is slow


CONFIG_SCOPES = (Scope.DEPLOYMENT, Scope.MODEL, Scope.SETTINGS, Scope.ROUTER, Scope.GENERAL)
"""The sections of a configuration file."""


class Merge(Enum):
    """What counts when an option is given in several scopes; the value is the docs' word."""

    NEAREST = "the nearest"
    """Request or call, then deployment, `router_settings`, `litellm_settings`."""
    TOGETHER = "all; of one name the nearest"


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What the values of an option must be.

    Attributes:
        words: completes "must be …" in errors and docs.
        is_right: whether a value is one. Null is never asked about: it means "not given".
        schema: the same as a JSON schema.
        convert: makes the value that the program works with.
        is_secret: whether errors must not show a value.
        unit: the ending of an option's name that tells its unit, and the unit that replaces it
            where the value is kept.
    """

    words: str
    is_right: Callable[[Any], bool]
    schema: Schema = field(default_factory=dict[str, Any])
    convert: Callable[[Any], Any] | None = None
    is_secret: bool = False
    unit: tuple[str, str] = ("", "")

    def read(self, name: str, value: Any) -> Any:
        """A value that is not null, checked, for the option or parameter `name`.

        Raises:
            BadRequestError: the value is of another kind; `param` is `name`.
        """
        if not self.is_right(value):
            found = "" if self.is_secret else f", not `{display(value)}`"
            raise BadRequestError(f"`{name}` must be {self.words}{found}.", param=name)
        return value if self.convert is None else self.convert(value)


class Option(NamedTuple):
    """One row of the table.

    Attributes:
        name: as LiteLLM's users write it, or as OpenAI's.
        kinds: what it must be in each scope where it may stand; in any other it is refused.
        about: what it does, for docs: one sentence without a full stop.
        merge: what counts when several scopes give it.
        own_attribute: its name in the program, where that is not `attribute`'s usual one.
        same_as: of an alias, the option that it is another name of, and that wins.
        notes: what it does in single scopes, where that is not `about`.
        is_chat: whether only chat requests (in any shape) have a use for it.
    """

    name: str
    kinds: Mapping[Scope, Kind]
    about: str
    merge: Merge = Merge.NEAREST
    own_attribute: str = ""
    same_as: str = ""
    notes: Mapping[Scope, str] = {}
    is_chat: bool = False

    @property
    def attribute(self) -> str:
        """Its name in configurations and deployments, with the unit in which it is kept there."""
        ending, unit = max(kind.unit for kind in self.kinds.values())
        return self.own_attribute or self.name.removesuffix(ending) + unit


def _is_count(value: Any, most: int | None = None) -> bool:
    """Whether a value is an int from 0, at most `most`."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and value >= 0 and (most is None or value <= most)


def _is_seconds(value: Any, most: int) -> bool:
    """Whether a value is a number of seconds above 0, at most `most`."""
    return is_number(value) and 0 < value <= most


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_names(value: Any, most: int | None = None) -> bool:
    """Whether a value is a list of texts, of at most `most`."""
    if not _is_list(value) or (most is not None and len(value) > most):
        return False
    return all(isinstance(item, str) for item in cast("Sequence[Any]", value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_secret_text(value: Any) -> bool:
    return isinstance(value, str | Secret)


def _is_header_name(value: Any) -> bool:
    return isinstance(value, str) and _HEADER_NAME.fullmatch(value) is not None


def _is_duration(value: Any) -> bool:
    return isinstance(value, str) and _DURATION.fullmatch(value.strip().lower()) is not None


def _is_refusal(value: Any) -> bool:
    return _is_count(value) and 400 <= value < 500  # noqa: PLR2004 - RFC 9110: the client's fault


def _is_anything(_: Any) -> bool:
    """True: the option may have any value."""
    return True


_NAMES: Schema = {"type": "array", "items": {"type": "string"}}

# Of keywords, request fields and configurations alike
BOOLEAN = Kind("true or false", lambda v: isinstance(v, bool), {"type": "boolean"})
COUNT = Kind("a whole number from 0", _is_count, {"type": "integer", "minimum": 0})
SHORT_COUNT = Kind(
    f"a whole number from 0 to {_MOST_RETRIES}",
    lambda v: _is_count(v, _MOST_RETRIES),
    {"type": "integer", "minimum": 0, "maximum": _MOST_RETRIES},
)
SECONDS = Kind(
    f"a number of seconds above 0 and at most {_YEAR_S:,}",  # more overflows a clock
    lambda v: _is_seconds(v, _YEAR_S),
    {"type": "number", "exclusiveMinimum": 0, "maximum": _YEAR_S},
    convert=float,
    unit=("", "_s"),
)
SECONDS_OF_A_DAY = Kind(
    f"a number of seconds above 0 and at most {_DAY_S:,}",
    lambda v: _is_seconds(v, _DAY_S),
    {"type": "number", "exclusiveMinimum": 0, "maximum": _DAY_S},
    convert=float,
    unit=("", "_s"),
)
NAMES = Kind("a list of names", _is_names, _NAMES)
FEW_NAMES = Kind(
    f"a list of at most {_MOST_NAMES} names",
    lambda v: _is_names(v, _MOST_NAMES),
    {**_NAMES, "maxItems": _MOST_NAMES},
)
OBJECT = Kind("an object", _is_mapping, {"type": "object"})
HEADERS = Kind("an object", _is_mapping, {"type": "object"}, is_secret=True)
TEXT = Kind("a string", _is_text, {"type": "string"})
VERSION = Kind(
    "a string or a number", lambda v: isinstance(v, str | int | float), {"type": "string"}, str
)
SECRET = Kind("a string", _is_secret_text, {"type": "string"}, is_secret=True)
ADDRESS = Kind("a string", _is_text, {"type": "string"}, is_secret=True)
HOST_SETTING = Kind("a string", _is_secret_text, {"type": "string"}, is_secret=True)
LOGIN = Kind("a string", _is_secret_text, {"type": "string"}, is_secret=True)
"""A way to log in to a host that is not built: who gives one gets an error of the host's row."""

# Checked further where they are used, since what is right depends on more than the value
PRICE = Kind("US dollars a token: a decimal of 0 or more", _is_anything)
FALLBACKS = Kind("a list of model names, or of objects with `model`", _is_list)
ANSWER = Kind("a text, an exception, or the body of an answer", _is_anything)
TRUST = Kind("true, false or a CA file", _is_anything)
ANYTHING = Kind("anything", _is_anything)

# Of configurations only, whose reader checks them
ANSWER_TEXT = Kind("a text", _is_text)
NUMBER = Kind("a number from 0", _is_anything)
POSITIVE = Kind("a whole number from 1", _is_anything)
PAUSE = Kind("a number of seconds from 0", _is_anything, unit=("_time", "_s"))
MEGABYTES = Kind("a number of MB above 0", _is_anything, unit=("_size_mb", "_bytes"))
HEADER_NAME = Kind("the name of a header", _is_header_name)
FILE = Kind("the path of a file", _is_text)
HOST_NAMES = Kind("a list of host names", _is_names)
FALLBACK_NAMES = Kind("a list of names", _is_names)
FALLBACK_LISTS = Kind("a list of `{name: [other, …]}`", _is_anything)
ALIASES = Kind("a mapping of names to names", _is_anything)
DOLLARS = Kind("US dollars: a decimal of 0 or more", _is_anything)
DURATION = Kind("a duration above 0, such as `30s`, `1h`, `7d` or `1mo`", _is_duration)
REFUSAL = Kind("a status from 400 to 499", _is_refusal)
UNPRICED = Kind("`allow` or `block`", lambda v: v in ("allow", "block"))
MODEL_BUDGETS = Kind("a mapping of model names to budgets", _is_anything)
STRATEGY = Kind("the name of a strategy", _is_text)
