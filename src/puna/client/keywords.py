"""The keywords of `completion()` read into one frozen call. Pure: the environment is given.

Names are OpenAI's, and LiteLLM's for what goes beyond them, so that calls move over unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, TypeVar, cast

from puna.bridges.completions import TextRequest, messages_of, read_text_request
from puna.client.checks import read_list, read_mapping, read_names, read_price, read_seconds
from puna.client.settings import ClientSettings, tls_from
from puna.config.litellm_keys import HOST_SETTINGS, REFUSED_SETTINGS
from puna.engine.call import Call, Canned, RequestT
from puna.engine.completion_run import has_endpoint
from puna.engine.texts import calls_of
from puna.errors import BadRequestError
from puna.providers.base import resolve_target
from puna.providers.table import split_model
from puna.routing.attempts import Group, Plan, RetryPolicy
from puna.routing.deployment import Deployment
from puna.types.completion_request import CompletionRequest, make_completion_request
from puna.types.display import display
from puna.types.model_request import ModelRequest
from puna.types.requests import CHAT_SWITCHES, make_chat_request
from puna.types.secret import Secret
from puna.wire.http import Timeouts

FlagT = TypeVar("FlagT", bool, bool | None)


class RequestOptions(TypedDict):
    """What the keywords say about a request of any kind."""

    headers: Mapping[str, str]
    extra_body: Mapping[str, Any] | None
    drop_params: bool
    allowed_params: Sequence[str]
    unwanted_params: Sequence[str]


OWN_KEYWORDS = frozenset(
    (
        "additional_drop_params",
        "allowed_openai_params",
        "api_base",
        "api_key",
        "api_version",
        "aws_bedrock_runtime_endpoint",
        "base_url",
        "context_window_fallbacks",
        "custom_llm_provider",
        "drop_params",
        "emulate_response_format",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "format_retries",
        "headers",
        "input_cost_per_token",
        "max_retries",
        "metadata",
        "mock_delay",
        "mock_response",
        "num_retries",
        "output_cost_per_token",
        "read_think_tags",
        "repair_tool_arguments",
        "rescue_tool_calls",
        "ssl_verify",
        "stream_timeout",
        "strict_tools",
        "timeout",
        *HOST_SETTINGS,
        *REFUSED_SETTINGS,
    )
)
"""Keywords that steer the call and are never part of the body."""

_ADDRESSES = ("api_base", "base_url", "aws_bedrock_runtime_endpoint")
_TOLD = HOST_SETTINGS | REFUSED_SETTINGS
_HOST_KEYWORDS = ("api_key", *_ADDRESSES, "api_version", "custom_llm_provider", *_TOLD)
_DEPLOYMENT_KEYWORDS = (*_HOST_KEYWORDS, "input_cost_per_token", "output_cost_per_token")


def read_call(
    model: Any,
    messages: Any,
    keywords: Mapping[str, Any],
    settings: ClientSettings,
    *,
    stream: Any = False,
) -> Call:
    """One call from what `completion()` was given.

    Raises:
        BadRequestError: a keyword is wrong; `param` names it.
        AuthenticationError: the host needs a key and there is none.
    """
    own, body = read_own(keywords, settings)
    request = make_chat_request(
        model,
        messages,
        body,
        stream=stream,
        **read_chat_options(own, settings),
        **read_options(own, settings),
    )
    return make_call(request, own, settings, read_canned(own))


def read_own(
    keywords: Mapping[str, Any], settings: ClientSettings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords that steer the call, without nulls; and those of the body."""
    _check_trust(keywords.get("ssl_verify"), settings)
    own: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, value in keywords.items():
        if name not in OWN_KEYWORDS:
            body[name] = value
        elif value is not None:
            own[name] = value
    return own, body


def read_options(own: Mapping[str, Any], settings: ClientSettings) -> RequestOptions:
    """What `own` says about the request itself, whatever its kind."""
    return {
        "headers": {**read_mapping(own, "headers"), **read_mapping(own, "extra_headers")},
        "extra_body": own.get("extra_body"),
        "drop_params": read_flag(own, "drop_params", default=settings.drop_params),
        "allowed_params": read_names(own, "allowed_openai_params"),
        "unwanted_params": read_names(own, "additional_drop_params"),
    }


def read_chat_options(own: Mapping[str, Any], settings: ClientSettings) -> dict[str, Any]:
    """What `own` says about a chat request, as arguments of `make_chat_request`."""
    return {
        **{name: read_flag(own, name, default=getattr(settings, name)) for name in CHAT_SWITCHES},
        "format_retries": own.get("format_retries", settings.format_retries),
    }


def make_call(
    request: RequestT, own: Mapping[str, Any], settings: ClientSettings, canned: Canned | None
) -> Call[RequestT]:
    """A checked request as a call: with its deployments, retries, timeouts and hook data."""
    return Call(
        request=request,
        plan=_read_plan(request, own, settings),
        policy=RetryPolicy(max_retries=_read_retries(own, settings)),
        timeouts=_read_timeouts(own, settings),
        metadata=read_mapping(own, "metadata"),
        canned=canned,
    )


def read_text_calls(
    model: Any,
    prompt: Any,
    keywords: Mapping[str, Any],
    settings: ClientSettings,
    *,
    stream: Any = None,
) -> tuple[TextRequest, list[Call]]:
    """A text completion as the chat calls it takes, one for each prompt. Errors: `read_call`."""
    drop_params = read_flag(keywords, "drop_params", default=settings.drop_params)
    request = read_text_request(prompt, keywords, drop_params=drop_params)
    first = read_call(
        model, messages_of(request.prompts[0]), request.fields, settings, stream=stream
    )
    return request, calls_of(request, first)


def read_completion_call(
    model: Any,
    prompt: Any,
    keywords: Mapping[str, Any],
    settings: ClientSettings,
    *,
    stream: Any = None,
) -> Call[CompletionRequest] | None:
    """A text completion as one call; None where a host that may be asked has no endpoint for it.

    Errors: `read_call`.
    """
    own, body = read_own(keywords, settings)
    if not isinstance(model, str) or own.get("mock_response") is not None:
        return None
    call = make_call(CompletionRequest(model, ""), own, settings, None)
    if not has_endpoint(call.plan):
        return None
    body.pop("messages", None)
    request = make_completion_request(
        model, prompt, body, stream=stream, **read_options(own, settings)
    )
    return replace(call, request=request)


def _read_plan(request: ModelRequest, own: Mapping[str, Any], settings: ClientSettings) -> Plan:
    is_canned = own.get("mock_response") is not None
    route = settings.routes.get(request.model)
    first = (
        route.group[0]
        if route is not None
        else make_deployment(request.model, own, settings, is_canned=is_canned)
    )

    def group_of(item: Any, field: str) -> Group:
        if isinstance(item, str) and item in settings.routes:
            return settings.routes[item].group
        model, keywords = _read_fallback(item, field, first, own, settings)
        made = make_deployment(model, keywords, settings, is_canned=is_canned)
        return (replace(made, overrides=_read_overrides(keywords, request)),)

    asked: dict[str, Any] = {
        field: [group_of(item, field) for item in read_list(own, field)]
        for field in ("fallbacks", "context_window_fallbacks")
        if own.get(field) is not None
    }
    plan = route if route is not None else Plan(group=(first,))
    return replace(plan, **asked) if asked else plan


def _read_fallback(
    item: Any,
    field: str,
    first: Deployment,
    own: Mapping[str, Any],
    settings: ClientSettings,
) -> tuple[str, Mapping[str, Any]]:
    """A fallback is a model name, or an object with `model`, its own host and parameters.

    A mere name shares the call's key and base only with the same provider: a key never follows
    to another one's host.
    """
    if isinstance(item, Mapping) and isinstance(item.get("model"), str):
        fields = cast("Mapping[str, Any]", item)
        for name in fields:
            if name in OWN_KEYWORDS and name not in _DEPLOYMENT_KEYWORDS:
                raise BadRequestError(
                    f"`{name}` is set for a whole call, not for one of its `{field}`.",
                    param=f"{field}.{name}",
                )
        return str(fields["model"]), fields
    if not isinstance(item, str):
        raise BadRequestError(f"`{field}` must be a list of model names.", param=field)
    is_same = _goes_to_the_same(item, first, own, settings)
    return item, {k: own[k] for k in _HOST_KEYWORDS if k in own} if is_same else {}


def _goes_to_the_same(
    item: str, first: Deployment, own: Mapping[str, Any], settings: ClientSettings
) -> bool:
    """Whether a fallback's name is one of the call's own provider, or of the server it names."""
    prefix, slash, _ = item.partition("/")
    if prefix in settings.providers:
        return prefix == first.target.provider
    if slash or any(own.get(name) for name in (*_ADDRESSES, "custom_llm_provider")):
        return True
    try:  # a bare name may be another maker's
        return split_model(item, providers=settings.providers)[0].name == first.target.provider
    except BadRequestError:
        return True


def make_deployment(
    model: str,
    own: Mapping[str, Any],
    settings: ClientSettings,
    *,
    is_canned: bool,
) -> Deployment:
    """Whom a model's name and the keywords of a call mean; `is_canned` where nobody is asked."""
    base = next((own[name] for name in _ADDRESSES if own.get(name)), None)
    if base is not None and not isinstance(base, str):
        raise BadRequestError("`api_base` must be a string.", param="api_base")
    named = own.get("custom_llm_provider")
    if named is not None and not isinstance(named, str):
        raise BadRequestError(
            "`custom_llm_provider` must be a string.", param="custom_llm_provider"
        )
    provider, upstream = split_model(
        model,
        provider=named,
        has_api_base=bool(base),
        providers=settings.providers,
    )
    key = own.get("api_key")
    if is_canned and not key:
        key = "unused"  # nothing is sent, so nothing needs a key
    if key is not None and not isinstance(key, str | Secret):
        raise BadRequestError("`api_key` must be a string.", param="api_key")
    secret = key if isinstance(key, Secret) else Secret(key) if key else None
    target = resolve_target(
        provider,
        upstream,
        settings.environ,
        api_key=secret,
        api_base=base
        or ("http://localhost" if is_canned and not provider.has_fixed_address else None),
        settings={} if is_canned else _read_host_settings(own),
    )
    if own.get("api_version"):
        target = replace(target, query={**target.query, "api-version": str(own["api_version"])})
    return Deployment(
        deployment_id=f"{provider.name}/{upstream}@{target.base_url}",
        public_name=model,
        target=target,
        price=read_price(own),
    )


def _read_host_settings(own: Mapping[str, Any]) -> Mapping[str, Secret]:
    """What the host is told beside key and address; some of it is secret, so all is."""
    told: dict[str, Secret] = {}
    for name, value in own.items():
        if name not in _TOLD:
            continue
        if not isinstance(value, str | Secret):
            raise BadRequestError(f"`{name}` must be a string.", param=name)
        told[name] = value if isinstance(value, Secret) else Secret(value)
    return told


def _read_overrides(own: Mapping[str, Any], request: ModelRequest) -> Mapping[str, Any]:
    """A fallback's own request parameters, checked like a call's; they replace the call's."""
    given = {k: v for k, v in own.items() if k not in OWN_KEYWORDS and k != "model"}
    request.split(given)
    return given


def read_flag(own: Mapping[str, Any], name: str, *, default: FlagT) -> bool | FlagT:
    """A keyword that is true or false. Raises BadRequestError for anything else."""
    wish = own.get(name)
    if wish is None:
        return default
    if not isinstance(wish, bool):
        raise BadRequestError(f"`{name}` must be true or false, not `{display(wish)}`.", param=name)
    return wish


def _check_trust(ssl_verify: object, settings: ClientSettings) -> None:
    """Connections are shared by all calls of a client, so whom they trust is the client's."""
    if ssl_verify is not None and tls_from(ssl_verify, settings.environ) != settings.tls:
        raise BadRequestError(
            "`ssl_verify` is set for a whole client: give `ClientSettings(tls=TLSConfig(…))`.",
            param="ssl_verify",
        )


def _read_retries(own: Mapping[str, Any], settings: ClientSettings) -> int:
    """`max_retries`, or its alias `num_retries`: one count, never multiplied."""
    for name in ("max_retries", "num_retries"):
        value = own.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BadRequestError(
                f"`{name}` must be a whole number from 0, not `{display(value)}`.", param=name
            )
        return value
    return settings.max_retries


def _read_timeouts(own: Mapping[str, Any], settings: ClientSettings) -> Timeouts:
    total_s = read_seconds(own, "timeout", settings.timeout_s)
    return Timeouts(total_s=total_s, idle_s=read_seconds(own, "stream_timeout", total_s))


def read_canned(own: Mapping[str, Any]) -> Canned | None:
    """`mock_response`: a text, an exception, or the body of a completion.

    Raises:
        BadRequestError: it is none of these.
    """
    answer = own.get("mock_response")
    if answer is None:
        return None
    if isinstance(answer, Mapping) and isinstance(answer.get("choices"), list):
        return Canned(cast("Mapping[str, Any]", answer), delay_s=read_delay(own))
    is_broken = isinstance(answer, str) and any("\ud800" <= char <= "\udfff" for char in answer)
    if not isinstance(answer, str | Exception) or is_broken:
        raise BadRequestError(
            "`mock_response` must be a whole string, an exception, or a completion's body with "
            "`choices`.",
            param="mock_response",
        )
    return Canned(answer, delay_s=read_delay(own))


def read_delay(own: Mapping[str, Any]) -> float:
    """How long a prepared answer takes."""
    return read_seconds(own, "mock_delay", 0.0) or 0.0
