"""Holds the body of a request to the models that its key may use."""

from __future__ import annotations

from typing import Any

from puna.errors import APIError, NotFoundError
from puna.governance.access import Access


def check_models(access: Access, body: dict[str, Any]) -> None:
    """Check the names of models in a body; put in the place of an alias what it stands for.

    What is no name is left to who reads the field.

    Raises:
        PermissionDeniedError: the key may not use one of them.
    """
    model = body.get("model")
    if isinstance(model, str):
        access.check_model(model)
        body["model"] = access.aliases.get(model, model)
    fallbacks = body.get("fallbacks")
    if isinstance(fallbacks, list):
        names = [one for one in fallbacks if isinstance(one, str)]
        for name in names:
            access.check_model(name)
        if access.aliases and len(names) == len(fallbacks):
            body["fallbacks"] = [access.aliases.get(name, name) for name in names]


def for_caller(error: APIError, access: Access | None) -> APIError:
    """The error as a caller may see it: a list of all models is not for who may use some."""
    if access is None or not access.models or not isinstance(error, NotFoundError):
        return error
    if error.code != "model_not_found" or error.provider is not None:
        return error
    return NotFoundError(
        "There is no such model for this key; `GET /v1/models` lists those that there are.",
        code=error.code,
        param=error.param,
        fault=error.fault,
    )
