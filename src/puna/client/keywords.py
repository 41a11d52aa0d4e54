"""Reads the keywords of `completion()` into one frozen call. Pure: the environment is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, cast

from puna.bridges.completions import TextRequest, prompt_messages, read_text_request
from puna.catalog.prices import Price, price_from_dollars_per_token
from puna.client.settings import ClientSettings, tls_from
from puna.engine.call import Call, Canned, RequestT
from puna.engine.completion_run import has_endpoint
from puna.engine.texts import calls_of
from puna.errors import BadRequestError, ConfigError
from puna.providers.base import resolve_target
from puna.providers.table import split_model
from puna.routing.attempts import Group, Plan, RetryPolicy
from puna.routing.deployment import Deployment
from puna.types.completion_request import CompletionRequest, make_completion_request
from puna.types.model_request import ModelRequest
from puna.types.option_kinds import Scope
from puna.types.option_scopes import (
    CALL_OPTIONS,
    CHAT_OPTIONS,
    HOST_OPTIONS,
    HOST_SETTINGS,
    LOGINS,
    REFUSED_IN_CALLS,
    REFUSED_IN_FALLBACKS,
    read_first,
    read_option,
    refuse_in_call,
    with_aliases,
)
from puna.types.requests import make_chat_request
from puna.types.secret import Secret
from puna.wire.http import Timeouts


class RequestOptions(TypedDict):
    """The options of a request of any kind, as keywords set them."""

    headers: Mapping[str, str]
    extra_body: Mapping[str, Any] | None
    drop_params: bool
    allowed_params: Sequence[str]
    unwanted_params: Sequence[str]


_ADDRESSES = with_aliases("api_base")
_HEADERS = with_aliases("extra_headers")
_RETRIES = with_aliases("max_retries")
_HOST_KEYS = HOST_SETTINGS | LOGINS
_HOST = Scope.FALLBACK
"""Of the options that a call, a fallback and a deployment have alike."""


def read_call(
    model: Any,
    messages: Any,
    keywords: Mapping[str, Any],
    settings: ClientSettings,
    *,
    stream: Any = False,
) -> Call:
    """Make the call from the arguments of `completion()`.

    Raises:
        BadRequestError: a keyword is wrong; `param` names it.
        AuthenticationError: the host needs a key and there is none.
    """
    own, body = split_keywords(keywords, settings)
    request = make_chat_request(
        model,
        messages,
        body,
        stream=stream,
        **read_chat_options(own, settings),
        **read_options(own, settings),
    )
    return make_call(request, own, settings, read_canned(own))


def split_keywords(
    keywords: Mapping[str, Any], settings: ClientSettings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split keywords into the options of Puna, without nulls, and the body's parameters.

    Raises:
        BadRequestError: an option is set that is none of a call.
    """
    _check_trust(keywords.get("ssl_verify"), settings)
    own: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, value in keywords.items():
        if name in CALL_OPTIONS:
            if value is not None:
                own[name] = value
        elif name in REFUSED_IN_CALLS and value is not None:
            raise refuse_in_call(name)
        else:
            body[name] = value
    return own, body


def read_options(own: Mapping[str, Any], settings: ClientSettings) -> RequestOptions:
    """Read the options of a request of any kind, with the client's settings as defaults."""
    added, headers = (read_option(own, name, Scope.CALL, {}) for name in _HEADERS)
    return {
        "headers": {**headers, **added},
        "extra_body": read_option(own, "extra_body", Scope.CALL),
        "drop_params": read_option(own, "drop_params", Scope.CALL, settings.drop_params),
        "allowed_params": read_option(own, "allowed_openai_params", Scope.CALL, ()),
        "unwanted_params": read_option(own, "additional_drop_params", Scope.CALL, ()),
    }


def read_chat_options(own: Mapping[str, Any], settings: ClientSettings) -> dict[str, Any]:
    """Read the options of a chat request, as arguments of `make_chat_request`."""
    wishes = {name: own.get(name, getattr(settings, name)) for name in CHAT_OPTIONS}
    return {name: read_option(wishes, name, Scope.CALL) for name in CHAT_OPTIONS}


def make_call(
    request: RequestT, own: Mapping[str, Any], settings: ClientSettings, canned: Canned | None
) -> Call[RequestT]:
    """Make a call from a checked request.

    Adds deployments, retries, timeouts, and data for hooks.
    """
    retries = read_first(own, _RETRIES, Scope.CALL)
    return Call(
        request=request,
        plan=_read_plan(request, own, settings),
        policy=RetryPolicy(max_retries=settings.max_retries if retries is None else retries),
        timeouts=_read_timeouts(own, settings),
        metadata=read_option(own, "metadata", Scope.CALL, {}),
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
    """Make the chat calls of a text completion, one for each prompt. Raises as `read_call`."""
    drop_params = read_option(keywords, "drop_params", Scope.CALL, settings.drop_params)
    request = read_text_request(prompt, keywords, drop_params=drop_params)
    first = read_call(
        model, prompt_messages(request.prompts[0]), request.fields, settings, stream=stream
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
    """Make the call of a text completion.

    None where a host that may be asked has no endpoint for it.

    Raises as `read_call`.
    """
    own, body = split_keywords(keywords, settings)
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
    """The plan of a call: the deployment of its model, and those of its fallbacks."""
    is_canned = own.get("mock_response") is not None
    route = settings.routes.get(request.model)
    first = (
        route.group[0]
        if route is not None
        else make_deployment(request.model, own, settings, is_canned=is_canned)
    )

    def group_of(item: Any, field: str) -> Group:
        """The deployments that a fallback stands for."""
        if isinstance(item, str) and item in settings.routes:
            return settings.routes[item].group
        model, keywords = _read_fallback(item, field, first, own, settings)
        made = make_deployment(model, keywords, settings, is_canned=is_canned)
        return (replace(made, overrides=_read_overrides(keywords, request)),)

    changes: dict[str, Any] = {
        field: [group_of(item, field) for item in read_option(own, field, Scope.CALL)]
        for field in ("fallbacks", "context_window_fallbacks")
        if own.get(field) is not None
    }
    plan = route if route is not None else Plan(group=(first,))
    return replace(plan, **changes) if changes else plan


def _read_fallback(
    item: Any,
    field: str,
    first: Deployment,
    own: Mapping[str, Any],
    settings: ClientSettings,
) -> tuple[str, Mapping[str, Any]]:
    """Read a fallback, a model name or an object, as model and keywords.

    An object has its own host and parameters. A mere name shares the call's key and base only with
    the same provider: a key never follows to another one's host.
    """
    if isinstance(item, Mapping) and isinstance(item.get("model"), str):
        fields = cast("Mapping[str, Any]", item)
        for name in fields:
            if name in REFUSED_IN_FALLBACKS:
                raise refuse_in_call(name, field)
        return str(fields["model"]), fields
    if not isinstance(item, str):
        raise BadRequestError(f"`{field}` must be a list of model names.", param=field)
    is_same = _is_same_host(item, first, own, settings)
    return item, {k: own[k] for k in HOST_OPTIONS if k in own} if is_same else {}


def _is_same_host(
    item: str, first: Deployment, own: Mapping[str, Any], settings: ClientSettings
) -> bool:
    """Whether a fallback's name belongs to the call's own provider, or to the server it names."""
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
    """The deployment for a model name and the keywords of a call; `is_canned`: no host is asked."""
    base = read_first({n: own[n] or None for n in _ADDRESSES if n in own}, _ADDRESSES, _HOST)
    provider, upstream = split_model(
        model,
        provider=read_option(own, "custom_llm_provider", _HOST),
        has_api_base=bool(base),
        providers=settings.providers,
    )
    key = read_option(own, "api_key", _HOST)
    if is_canned and not key:
        key = "unused"  # nothing is sent, so nothing needs a key
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
    version = read_option(own, "api_version", _HOST)
    if version:
        target = replace(target, query={**target.query, "api-version": version})
    return Deployment(
        deployment_id=f"{provider.name}/{upstream}@{target.base_url}",
        public_name=model,
        target=target,
        price=read_price(own),
    )


def _read_host_settings(own: Mapping[str, Any]) -> Mapping[str, Secret]:
    """The keywords that a host needs beside key and address, such as a region.

    All count as secret.
    """
    settings = {name: read_option(own, name, _HOST) for name in _HOST_KEYS.intersection(own)}
    return {
        name: value if isinstance(value, Secret) else Secret(value)
        for name, value in settings.items()
        if value is not None
    }


def _read_overrides(own: Mapping[str, Any], request: ModelRequest) -> Mapping[str, Any]:
    """The request parameters of a fallback, checked like a call's; they replace the call's."""
    given = {k: v for k, v in own.items() if k not in CALL_OPTIONS and k != "model"}
    request.split(given)
    return given


def _check_trust(ssl_verify: object, settings: ClientSettings) -> None:
    """Check `ssl_verify`: it must be the client's, since all its calls share connections.

    Raises BadRequestError for another value.
    """
    if ssl_verify is not None and tls_from(ssl_verify, settings.environ) != settings.tls:
        raise BadRequestError(
            "`ssl_verify` is set for a whole client: give `ClientSettings(tls=TLSConfig(…))`.",
            param="ssl_verify",
        )


def _read_timeouts(own: Mapping[str, Any], settings: ClientSettings) -> Timeouts:
    """The timeouts of a call, with the client's as default."""
    total_s = read_option(own, "timeout", Scope.CALL, settings.timeout_s)
    return Timeouts(total_s=total_s, idle_s=read_option(own, "stream_timeout", Scope.CALL, total_s))


def read_canned(own: Mapping[str, Any]) -> Canned | None:
    """Read `mock_response`: a text, an exception, or the body of a completion; None without one.

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
    """Seconds to wait before a `mock_response` is returned; 0 without `mock_delay`."""
    return float(read_option(own, "mock_delay", Scope.CALL, 0.0))


def read_price(own: Mapping[str, Any]) -> Price | None:
    """Read the price of tokens that a call sets itself; None where it sets none."""
    given_name, made_name = "input_cost_per_token", "output_cost_per_token"
    if own.get(given_name) is None and own.get(made_name) is None:
        return None
    given, made = (_read_picos(own, name) for name in (given_name, made_name))
    return Price(input_picos=given, output_picos=made)


def _read_picos(own: Mapping[str, Any], name: str) -> int:
    """A price for one token in 1e-12 US dollars. Raises BadRequestError."""
    try:
        return price_from_dollars_per_token(own.get(name) or 0)
    except ConfigError as error:
        raise BadRequestError(f"`{name}`: {error}", param=name) from error
