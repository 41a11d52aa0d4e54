"""The endpoints that ask no model, and the health check that asks all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from puna.catalog.facts import ModelFacts, find_model
from puna.config.reading import looks_secret
from puna.config.schema import DeploymentConfig
from puna.dialects.base import Target
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call
from puna.errors import APIError, NotFoundError
from puna.gateway.answers.replies import Reply, error_body, json_reply
from puna.gateway.answers.sending import Caller, Work, until_disconnect
from puna.gateway.deployments.deployment import id_of
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.chat import Pipeline
from puna.providers.table import split_model
from puna.routing.attempts import Plan
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.types.requests import make_chat_request

_CREATED = 1_677_610_602  # LiteLLM's constant: clients sort by it, none reads it as a date
_HEALTH_TIMEOUT_S = 20.0

Allows = Callable[[str], bool]
"""Whether who asks may use the model of a public name."""


def _everyone(_: str) -> bool:
    return True


def list_models(directory: Directory, allows: Allows = _everyone) -> dict[str, Any]:
    """The body of `GET /models`.

    The configured names that the caller may use, with wildcards expanded from the catalogue.
    """
    return {
        "object": "list",
        "data": [_model_entry(directory, name) for name in directory.names() if allows(name)],
    }


def get_model(directory: Directory, name: str, allows: Allows = _everyone) -> dict[str, Any]:
    """The body of `GET /models/{id}`. A model that the caller may not use is not found.

    Raises:
        NotFoundError: `model_not_found`.
    """
    if not allows(name):
        raise NotFoundError(
            f"There is no model `{name}` for this key; `GET /v1/models` lists those it may use.",
            code="model_not_found",
            param="model",
        )
    if name not in directory.names():
        directory.plan(name)  # a wildcard may serve it; else this raises with the right text
    return _model_entry(directory, name)


def model_info(directory: Directory, allows: Allows = _everyone) -> dict[str, Any]:
    """The body of `GET /model/info`: each deployment, without its key and its address."""
    return {
        "data": [
            {
                "model_name": one.public_name,
                "litellm_params": {"model": one.model},
                "model_info": {
                    **_deployed_facts(directory, one),
                    **_without_secrets(one.model_info),
                    "id": id_of(one),
                },
            }
            for one in directory.config.deployments
            if allows(one.public_name)
        ]
    }


def known_health(
    directory: Directory, health: Health, now: float, allows: Allows = _everyone
) -> dict[str, Any]:
    """The body of `GET /health`: the known state of every deployment that the caller may use.

    No host is asked, so it is free.

    Unhealthy are those that are in a cooldown, and those that cannot be used as configured.
    """
    results: list[tuple[dict[str, Any], str | None]] = []
    for one in directory.deployments():
        if not allows(one.public_name):
            continue
        left_s = health.cooldown_until(one.deployment_id) - now
        rest = f"It rests for {left_s:.1f} s after failures." if left_s > 0 else None
        results.append((_health_entry(one), rest))
    for config in directory.config.deployments:
        problem = directory.problems.get(id_of(config))
        if problem is not None and allows(config.public_name):
            entry = {"model": config.public_name, "model_id": id_of(config)}
            results.append((entry, problem))
    return _health(results, is_asked=False)


def ask_health(pipeline: Pipeline, caller: Caller) -> Work:
    """Handle `POST /health`: ask every deployment for one token, except those with a wildcard.

    The cost is charged to the caller's key.
    """
    probes = [
        (_health_entry(one), _probe(one, caller))
        for one in pipeline.directory.deployments()
        if caller.allows_model(one.public_name)
    ]

    async def ask() -> Reply:
        """Run all probes, and reply with the result; cancelled when the client leaves."""
        asking = (_ask(pipeline.engine, call) for _, call in probes)
        errors = await until_disconnect(_run_all(asking), caller.receive)
        results = [(entry, error) for (entry, _), error in zip(probes, errors, strict=True)]
        return json_reply(_health(results, is_asked=True))

    return Work([call for _, call in probes], ask)


async def _run_all(asking: Iterable[Coroutine[Any, Any, str | None]]) -> list[str | None]:
    """Run the probes at once and wait for all results."""
    return await asyncio.gather(*asking)


def _health(
    results: Sequence[tuple[dict[str, Any], str | None]], *, is_asked: bool
) -> dict[str, Any]:
    """The body of both health checks, in LiteLLM's format.

    `is_asked` is whether hosts were asked now.
    """
    healthy = [entry for entry, error in results if error is None]
    unhealthy = [{**entry, "error": error} for entry, error in results if error is not None]
    return {
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
        "healthy_count": len(healthy),
        "unhealthy_count": len(unhealthy),
        "asked": is_asked,
    }


def _health_entry(one: Deployment) -> dict[str, Any]:
    """A deployment as an entry of a health check."""
    return {
        "model": one.public_name,
        "model_id": one.deployment_id,
        "provider": one.target.provider,
    }


def _probe(one: Deployment, caller: Caller) -> Call:
    """A call that asks one deployment for one token, without retries."""
    asked = replace(one, max_retries=0, timeout_s=_HEALTH_TIMEOUT_S)
    return Call(
        request=make_chat_request(
            one.public_name, [{"role": "user", "content": "Hi"}], {"max_tokens": 1}
        ),
        plan=Plan(group=[asked]),
        metadata={"health_check": True, "key_id": caller.key_id},
        meter=caller.visit,
    )


async def _ask(engine: AsyncEngine, call: Call) -> str | None:
    """Run a probe. Returns what is wrong with its deployment, in words; None where it answers."""
    try:
        await engine.chat(call)
    except APIError as error:
        return str(error_body(error)["error"]["message"])
    return None


def _model_entry(directory: Directory, name: str) -> dict[str, Any]:
    """One model as `GET /models` lists it, with the known limits."""
    facts = _served_facts(directory, name)
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": _owner(directory, name),
        **{
            key: facts[key]
            for key in ("mode", "max_input_tokens", "max_output_tokens")
            if key in facts
        },
    }


def _owner(directory: Directory, name: str) -> str:
    """The provider that serves a model name; `puna` where none can."""
    try:
        return str(directory.plan(name).group[0].target.provider)
    except APIError:
        return "puna"


def _served_facts(directory: Directory, name: str) -> dict[str, Any]:
    """The catalogue's facts about the model that serves a public name, for `GET /models`."""
    try:
        target = directory.plan(name).group[0].target
    except APIError:
        return _facts_of_name(directory, name)
    return _facts_at(target)


def _deployed_facts(directory: Directory, one: DeploymentConfig) -> dict[str, Any]:
    """What the catalogue knows of a deployment's model, as fields of `GET /model/info`."""
    ready = directory.ready.get(id_of(one))
    return _facts_at(ready.target) if ready is not None else _facts_of_name(directory, one.model)


def _facts_at(target: Target) -> dict[str, Any]:
    """What the catalogue knows of a target's model, with the context limit of the target's host."""
    facts = _fact_fields(find_model(target.provider, target.model))
    return {**facts, "max_output_tokens": target.max_output_tokens} if facts else {}


def _facts_of_name(directory: Directory, name: str) -> dict[str, Any]:
    """The catalogue's facts about a model by its name `provider/model`.

    None for an unknown provider.
    """
    try:
        provider, model = split_model(name, providers=directory.providers, has_api_base=True)
    except APIError:
        return {}
    return _fact_fields(find_model(provider.name, model))


def _fact_fields(facts: ModelFacts | None) -> dict[str, Any]:
    """Facts about a model as fields of an entry."""
    if facts is None:
        return {}
    return {
        "mode": facts.mode,
        "max_input_tokens": facts.max_input_tokens,
        "max_output_tokens": facts.max_output_tokens,
        **{f"supports_{feature}": True for feature in sorted(facts.features)},
    }


def _without_secrets(value: Mapping[str, Any]) -> dict[str, Any]:
    """The operator's `model_info` for an answer, without values that look like keys."""
    return {
        name: item
        for name, item in value.items()
        if isinstance(item, int | float | bool)
        or (isinstance(item, str) and not looks_secret(name))
    }
