"""The endpoints that ask no model, and the health check that asks all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from puna.catalog.facts import ModelFacts, find_model
from puna.config.reading import looks_secret
from puna.config.schema import DeploymentConfig
from puna.dialects.base import Target
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call
from puna.errors import APIError
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


def list_models(directory: Directory) -> dict[str, Any]:
    """`GET /models`: the configured names, wildcards expanded by the catalogue."""
    return {
        "object": "list",
        "data": [_model(directory, name) for name in directory.names()],
    }


def get_model(directory: Directory, name: str) -> dict[str, Any]:
    """`GET /models/{id}`.

    Raises:
        NotFoundError: `model_not_found`.
    """
    if name not in directory.names():
        directory.plan(name)  # a wildcard may serve it; else this raises with the right text
    return _model(directory, name)


def model_info(directory: Directory) -> dict[str, Any]:
    """`GET /model/info`: what each deployment is, without its key and its address."""
    return {
        "data": [
            {
                "model_name": one.public_name,
                "litellm_params": {"model": one.model},
                "model_info": {
                    **_deployed_facts(directory, one),
                    **_plain(one.model_info),
                    "id": id_of(one),
                },
            }
            for one in directory.config.deployments
        ]
    }


def known_health(directory: Directory, health: Health, now: float) -> dict[str, Any]:
    """`GET /health`: what is known of every deployment without asking any host, so at no cost.

    Unhealthy are those that rest after failures, and those that cannot be used as configured.
    """
    results: list[tuple[dict[str, Any], str | None]] = []
    for one in directory.deployments():
        left_s = health.cooldown_until(one.deployment_id) - now
        rest = f"It rests for {left_s:.1f} s after failures." if left_s > 0 else None
        results.append((_entry(one), rest))
    for config in directory.config.deployments:
        problem = directory.problems.get(id_of(config))
        if problem is not None:
            entry = {"model": config.public_name, "model_id": id_of(config)}
            results.append((entry, problem))
    return _health(results, is_asked=False)


def ask_health(pipeline: Pipeline, caller: Caller) -> Work:
    """`POST /health`: asks every deployment for one token. Wildcards have no one model to ask.

    What that costs is the spend of who asks.
    """
    probes = [(_entry(one), _probe(one, caller)) for one in pipeline.directory.deployments()]

    async def ask() -> Reply:
        asking = (_ask(pipeline.engine, call) for _, call in probes)
        errors = await until_disconnect(_gather(asking), caller.receive)
        results = [(entry, error) for (entry, _), error in zip(probes, errors, strict=True)]
        return json_reply(_health(results, is_asked=True))

    return Work([call for _, call in probes], ask)


async def _gather(asking: Iterable[Coroutine[Any, Any, str | None]]) -> list[str | None]:
    return await asyncio.gather(*asking)


def _health(
    results: Sequence[tuple[dict[str, Any], str | None]], *, is_asked: bool
) -> dict[str, Any]:
    """LiteLLM's shape; `asked` says whether hosts were asked now."""
    healthy = [entry for entry, error in results if error is None]
    unhealthy = [{**entry, "error": error} for entry, error in results if error is not None]
    return {
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
        "healthy_count": len(healthy),
        "unhealthy_count": len(unhealthy),
        "asked": is_asked,
    }


def _entry(one: Deployment) -> dict[str, Any]:
    return {
        "model": one.public_name,
        "model_id": one.deployment_id,
        "provider": one.target.provider,
    }


def _probe(one: Deployment, caller: Caller) -> Call:
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
    """What is wrong with the deployment of a call, in words."""
    try:
        await engine.chat(call)
    except APIError as error:
        return str(error_body(error)["error"]["message"])
    return None


def _model(directory: Directory, name: str) -> dict[str, Any]:
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
    try:
        return str(directory.plan(name).group[0].target.provider)
    except APIError:
        return "puna"


def _served_facts(directory: Directory, name: str) -> dict[str, Any]:
    """Of a public name: the facts of the model that serves it, whatever the name is."""
    try:
        target = directory.plan(name).group[0].target
    except APIError:
        return _facts(directory, name)
    return _facts_at(target)


def _deployed_facts(directory: Directory, one: DeploymentConfig) -> dict[str, Any]:
    """Of a deployment: what is known of its model at its address."""
    ready = directory.ready.get(id_of(one))
    return _facts_at(ready.target) if ready is not None else _facts(directory, one.model)


def _facts_at(target: Target) -> dict[str, Any]:
    """The catalogue's facts of a model, with the limit that holds at the host which serves it."""
    facts = _sections(find_model(target.provider, target.model))
    return {**facts, "max_output_tokens": target.max_output_tokens} if facts else {}


def _facts(directory: Directory, name: str) -> dict[str, Any]:
    try:
        provider, model = split_model(name, providers=directory.providers, has_api_base=True)
    except APIError:
        return {}
    return _sections(find_model(provider.name, model))


def _sections(facts: ModelFacts | None) -> dict[str, Any]:
    if facts is None:
        return {}
    return {
        "mode": facts.mode,
        "max_input_tokens": facts.max_input_tokens,
        "max_output_tokens": facts.max_output_tokens,
        **{f"supports_{feature}": True for feature in sorted(facts.features)},
    }


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """An operator's notes, without what looks like a key."""
    return {
        name: item
        for name, item in value.items()
        if isinstance(item, int | float | bool)
        or (isinstance(item, str) and not looks_secret(name))
    }
