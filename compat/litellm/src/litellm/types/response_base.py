"""The base of LiteLLM's response classes."""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import override


def _plain(value: Any) -> Any:
    """A foreign pydantic object, or those in a list, as dicts; anything else as it is."""
    if isinstance(value, BaseModel) and not isinstance(value, SafeAttributeModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


class SafeAttributeModel(BaseModel):
    """What all response classes share."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), populate_by_name=True)

    missing_when_none: ClassVar[tuple[str, ...]] = ()
    """Fields that are no attributes at all while their value is None."""

    positions: ClassVar[tuple[str, ...]] = ()
    """The fields that the constructor also takes by position, as LiteLLM's does."""

    def __init__(self, *args: Any, **data: Any) -> None:
        if len(args) > len(self.positions):
            raise TypeError(
                f"{type(self).__name__}() takes {len(self.positions)} arguments by position, "
                f"but {len(args)} were given"
            )
        for name, value in zip(self.positions, args, strict=False):
            if name in data:
                raise TypeError(f"{type(self).__name__}() got two values for `{name}`")
            data[name] = value
        super().__init__(**data)

    # Pydantic then checks nested values as usual, without a call of this constructor.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]

    @model_validator(mode="before")
    @classmethod
    def _take_foreign_objects(cls, data: Any) -> Any:
        """Other packages' pydantic objects, such as `openai`'s, as the dicts they stand for.

        A field that takes anything keeps its object, as `logprobs` does.
        """
        if not isinstance(data, dict):
            return _plain(data)
        given = cast("dict[str, Any]", data)
        fields = cls.model_fields
        return {
            name: value if name in fields and fields[name].annotation is Any else _plain(value)
            for name, value in given.items()
        }

    @override
    def model_post_init(self, context: Any, /) -> None:
        """Take away the fields that nobody gave."""
        values = self.__dict__
        for name in self.missing_when_none:
            if name in values and values[name] is None:
                del values[name]  # pyright: ignore[reportIndexIssue]  # an instance's is a dict
                self.__pydantic_fields_set__.discard(name)

    @classmethod
    def trusted(
        cls,
        values: dict[str, Any],
        extra: dict[str, Any] | None = None,
        private: dict[str, Any] | None = None,
    ) -> Self:
        """An object of values that are right already: nothing is checked, nothing filled in.

        For chunks, of which there are many: a third of the time that checking takes.
        """
        made = cls.__new__(cls)
        put = object.__setattr__
        put(made, "__dict__", values)
        put(made, "__pydantic_fields_set__", set(values))
        put(made, "__pydantic_extra__", extra if extra is not None else {})
        put(made, "__pydantic_private__", private)
        return made

    @override
    def __str__(self) -> str:
        return repr(self)  # what `print(chunk)` shows

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and hasattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """The field's value, or `default` for a missing attribute."""
        return getattr(self, key, default)

    @override
    def json(self, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """The fields as a dict, not as text: LiteLLM's habit."""
        return self.model_dump(**kwargs)

    @override
    def dict(self, **kwargs: Any) -> Any:
        """The fields as a dict; the same as `model_dump()`."""
        return self.model_dump(**kwargs)

    def to_dict(self, **kwargs: Any) -> Any:
        """The fields as a dict of plain values."""
        return self.model_dump(mode="json", **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The fields as JSON text."""
        return self.model_dump_json(**kwargs)
