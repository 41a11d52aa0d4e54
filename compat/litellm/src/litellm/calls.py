"""LiteLLM's keywords and globals read into what Puna's clients take."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import litellm
from litellm import exceptions
from litellm.call_checks import check_answer
from litellm.callback_delivery import CallRecord, Listeners, listeners_of
from litellm.custom_providers import find_custom
from litellm.foreign_clients import apply_client, own_client_of
from litellm.settings import check_settings, is_local, key_settings
from litellm.types.utils import ModelResponse
from puna.api.calls import default_clients
from puna.catalog.facts import find_model
from puna.catalog.prices import dollars
from puna.client.asynchronous import AsyncClient
from puna.client.synchronous import Client
from puna.errors import BadRequestError, PunaError
from puna.providers.table import PROVIDERS, split_model
from puna.types.option_scopes import CALL_OPTIONS

DEFAULT_REQUEST_TIMEOUT_S = 6000.0
"""`litellm.request_timeout` as it stands; only another value is a wish."""

_PROXY = "litellm_proxy/"

_COSTS = ("input_cost_per_token", "output_cost_per_token")

# What LiteLLM's mock says that is given calls and no text, and its usage.
_MOCK_TEXT = "This is a mock request"
_MOCK_USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}

_LOGGED_PARAMS = (
    "api_base",
    "base_model",
    "litellm_session_id",
    "litellm_trace_id",
    "max_retries",
    "model_info",
    "no-log",
    "proxy_server_request",
    "tags",
    "timeout",
)


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """One call, ready for a client.

    Attributes:
        model: after `model_alias_map`.
        keywords: as Puna's clients take them.
        record: who hears of it.
        ready_answer: a whole chat answer in `mock_response`, which is the answer as it is.
        own_client: over what the caller gave as `client=`; None for the usual one.
        custom: the `CustomLLM` that answers, for a provider in `litellm.custom_provider_map`.
        client: what the caller gave as `client=`, whatever it is.
        is_validated: whether the answer is held to the schema of its `response_format`.
    """

    model: str
    stream: bool | None
    keywords: dict[str, Any]
    record: CallRecord
    ready_answer: Any = None
    own_client: Client | AsyncClient | None = None
    custom: Any = None
    client: Any = None
    is_validated: bool = False

    def check(self, given: Any) -> None:
        """The module's rules and the schema, for a whole answer; see `litellm.call_checks`."""
        wanted = self.keywords.get("response_format")
        record = self.record
        check_answer(given, record.model, record.provider, wanted, is_validated=self.is_validated)

    @property
    def is_mock(self) -> bool:
        """Whether nothing is sent."""
        return self.keywords.get("mock_response") is not None


def prepare_call(
    call_type: str, model: Any, messages: Any, keywords: Mapping[str, Any], *, is_async: bool
) -> PreparedCall:
    """Read what `completion()` and its siblings were given, and the module's globals as they are.

    Nothing given is changed. What is wrong is found by Puna, when the call is made.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    stream = given.pop("stream", None)
    local = {name: given.pop(name) for name in tuple(given) if is_local(name)}
    model = _through_proxy(_deployed(_aliased(model), local), given, local)
    client = local.get("client") or _session(is_async=is_async)
    apply_client(client, given)
    _apply_globals(given)
    _apply_timeout(given, local)
    _apply_fallbacks(given, local, model)
    metadata = given.get("metadata") or local.get("litellm_metadata")
    if metadata is not None:
        given["metadata"] = metadata
    answer = given.get("mock_response")
    is_chat = call_type in {"completion", "acompletion"}
    is_ready = isinstance(answer, ModelResponse) and is_chat and not stream
    custom = find_custom(model, given.get("custom_llm_provider"))
    if custom is not None and answer is not None:
        given["custom_llm_provider"] = "openai"  # a mock answer asks nobody
    provider, name = _names_of(model, given) if custom is None else custom[:2]
    check_settings(local, name, provider)
    if litellm.set_verbose:
        litellm._turn_on_debug()  # noqa: SLF001 - LiteLLM's public name
    _apply_host_globals(given, provider)
    _apply_price(given, provider, name)
    _apply_mock(given, local, model=name, provider=provider, is_chat=is_chat)
    return PreparedCall(
        model=model,
        stream=stream,
        keywords=given,
        record=CallRecord(
            call_type=call_type,
            model=name,
            provider=provider,
            messages=messages,
            is_stream=bool(stream),
            call_id=str(local.get("litellm_call_id") or uuid.uuid4()),
            listeners=Listeners()
            if local.get("no-log")
            else listeners_of(litellm, local, is_async=is_async),
            optional_params={k: v for k, v in given.items() if k not in CALL_OPTIONS},
            litellm_params=_logged_params(given, local),
            is_private=bool(
                local.get("turn_off_message_logging", litellm.turn_off_message_logging)
            ),
        ),
        ready_answer=answer if is_ready else None,
        own_client=_own_client(client, provider, is_async=is_async) if custom is None else None,
        custom=custom[2] if custom is not None and answer is None else None,
        client=client,
        is_validated=local.get(
            "enable_json_schema_validation", litellm.enable_json_schema_validation
        ),
    )


def _aliased(model: Any) -> Any:
    aliases: Mapping[str, str] = litellm.model_alias_map or {}
    return aliases.get(model, model) if isinstance(model, str) else model


def _deployed(model: Any, local: Mapping[str, Any]) -> Any:
    """The model that `deployment_id`, LiteLLM's older name for one of Azure's, asks for."""
    deployment = local.get("deployment_id")
    return f"azure/{deployment}" if deployment else model


def _through_proxy(model: Any, given: dict[str, Any], local: Mapping[str, Any]) -> Any:
    """The model at a LiteLLM proxy, where the call, the module or the environment wants that."""
    wish = local.get("use_litellm_proxy") or litellm.use_litellm_proxy
    is_wanted = wish or os.environ.get("USE_LITELLM_PROXY", "").lower() == "true"
    if not is_wanted or not isinstance(model, str) or model.startswith(_PROXY):
        return model
    named = given.pop("custom_llm_provider", None)
    if named and not model.startswith(f"{named}/"):
        model = f"{named}/{model}"
    return f"{_PROXY}{model}"


def _session(*, is_async: bool) -> Any:
    """The HTTP client that the module's attribute gives for all calls."""
    return litellm.aclient_session if is_async else litellm.client_session


def _own_client(client: Any, provider: str, *, is_async: bool) -> Client | AsyncClient | None:
    """The client over what the caller gave; the model in this process needs none."""
    row = PROVIDERS.get(provider)
    if row is not None and (row.base_url or "").startswith("embedded:"):
        return None
    return own_client_of(client, is_async=is_async, provider=provider)


def _apply_host_globals(given: dict[str, Any], provider: str) -> None:
    """The key and the organization that the module's attributes give for one host.

    Such a key goes to the host itself only, not to another address that a call names.
    """
    row = PROVIDERS.get(provider)
    if row is None:
        return
    names = tuple(key_settings(row))
    is_elsewhere = row.is_key_bound_to_host and (given.get("api_base") or given.get("base_url"))
    key = next((value for name in names if (value := vars(litellm).get(name))), None)
    if key and not is_elsewhere:
        given.setdefault("api_key", key)
    if "openai_key" in names:
        wished = (("OpenAI-Organization", "organization"), ("OpenAI-Project", "project"))
        for header, name in wished:
            value = given.pop(name, None) or vars(litellm).get(name)
            if value:
                given["headers"] = {header: value, **given.get("headers", {})}


def _apply_price(given: dict[str, Any], provider: str, name: str) -> None:
    """The price in `litellm.model_cost`, where a caller has set another than the catalogue's."""
    table = vars(litellm).get("model_cost") or {}
    entry = table.get(f"{provider}/{name}") or table.get(name) or {}
    costs = {key: entry[key] for key in _COSTS if entry.get(key) is not None}
    facts = find_model(provider, name)
    if facts is not None and facts.price is not None:
        known = (dollars(facts.price.input_picos), dollars(facts.price.output_picos))
        if tuple(costs.values()) == known:
            return
    if not any(key in given for key in _COSTS):
        given.update(costs)


def _apply_globals(given: dict[str, Any]) -> None:
    """What the call does not say, the module's attributes say."""
    if litellm.drop_params:
        given.setdefault("drop_params", True)
    if litellm.num_retries is not None and "max_retries" not in given:
        given.setdefault("num_retries", litellm.num_retries)
    if "api_base" not in given and "base_url" not in given and litellm.api_base:
        given["api_base"] = litellm.api_base
    if litellm.api_key and "api_key" not in given:
        given["api_key"] = litellm.api_key
    if litellm.ssl_verify is not True:
        given.setdefault("ssl_verify", litellm.ssl_verify)
    if litellm.headers:
        given["headers"] = {**litellm.headers, **given.get("headers", {})}


def _apply_timeout(given: dict[str, Any], local: Mapping[str, Any]) -> None:
    """`timeout`, or one of its older names, as seconds."""
    wish = given.get("timeout") or local.get("request_timeout") or local.get("force_timeout")
    if wish is None and litellm.request_timeout not in (None, DEFAULT_REQUEST_TIMEOUT_S):
        wish = litellm.request_timeout
    if wish is None:
        return
    if hasattr(wish, "read"):  # an HTTP client's timeout object: its time between bytes
        wish = wish.read
    if isinstance(wish, str):
        with suppress(ValueError):  # Puna says what is wrong with it
            wish = float(wish)
    if wish is None:
        given.pop("timeout", None)
    else:
        given["timeout"] = wish


def _apply_fallbacks(given: dict[str, Any], local: Mapping[str, Any], model: Any) -> None:
    if litellm.model_fallbacks:
        given.setdefault("fallbacks", litellm.model_fallbacks)
    larger = local.get("context_window_fallback_dict")
    if isinstance(larger, Mapping):
        named = cast("Mapping[str, Any]", larger).get(model)
        if named is not None:
            given.setdefault("context_window_fallbacks", [named])


def _apply_mock(
    given: dict[str, Any],
    local: Mapping[str, Any],
    *,
    model: str,
    provider: str,
    is_chat: bool,
) -> None:
    """Mock answers that raise: exceptions, LiteLLM's three names of some, and `mock_timeout`."""
    answer = given.get("mock_response")
    if local.get("mock_timeout"):
        timeout = given.get("timeout")
        if isinstance(timeout, int | float) and timeout > 0:
            given["mock_delay"] = timeout
        answer = exceptions.Timeout("a mock timeout error", model, provider)
    elif answer == "litellm.RateLimitError":
        answer = exceptions.RateLimitError("a mock rate limit error", provider, model)
    elif answer == "litellm.InternalServerError":
        answer = exceptions.InternalServerError("a mock internal server error", provider, model)
    elif answer == "litellm.ContextWindowExceededError":
        answer = exceptions.ContextWindowExceededError(
            "a mock context window error", model, provider
        )
    elif isinstance(answer, Exception) and not _is_known(answer):
        answer = exceptions.InternalServerError(f"MockException: {answer}", provider, model)
    elif isinstance(answer, bool | int | float):
        answer = str(answer)
    if is_chat:
        answer = _mock_body(answer, local.get("mock_tool_calls"), given.get("n"))
    if answer is not None:
        given["mock_response"] = answer


def _mock_body(answer: Any, calls: Any, count: Any) -> Any:
    """A mock answer with calls or several choices as a completion's body; others as they are.

    A list gives a choice for each of its texts. Calls are those of the first choice.
    """
    if isinstance(answer, ModelResponse):
        return answer.model_dump(exclude_none=True)
    if isinstance(answer, Exception | Mapping) or not (calls or count or isinstance(answer, list)):
        return answer
    if answer is None:
        if not calls:
            return None
        answer = _MOCK_TEXT
    wanted = count if isinstance(count, int) and count > 0 else 1
    texts = cast("list[Any]", answer) if isinstance(answer, list) else [answer] * wanted
    messages: list[dict[str, Any]] = [{"role": "assistant", "content": text} for text in texts]
    if calls and messages:
        plain = (one.model_dump() if hasattr(one, "model_dump") else one for one in calls)
        messages[0]["tool_calls"] = list(plain)
    choices = [
        {"index": index, "message": message, "finish_reason": "stop"}
        for index, message in enumerate(messages)
    ]
    return {"choices": choices, "usage": _MOCK_USAGE}


def _is_known(error: Exception) -> bool:
    """Whether callers know this exception already: LiteLLM's, OpenAI's or Puna's."""
    homes = ("litellm", "openai", "puna")
    return isinstance(error, PunaError) or any(
        cls.__module__.partition(".")[0] in homes for cls in type(error).__mro__
    )


def _names_of(model: Any, given: Mapping[str, Any]) -> tuple[str, str]:
    """The provider and the model without prefix; Puna refuses what cannot be read, later."""
    if not isinstance(model, str):
        return "", ""
    try:
        row, name = split_model(
            model,
            provider=given.get("custom_llm_provider"),
            has_api_base=bool(given.get("api_base") or given.get("base_url")),
        )
    except BadRequestError:
        return "", model
    return row.name, name


def _logged_params(given: Mapping[str, Any], local: Mapping[str, Any]) -> dict[str, Any]:
    everything = {**local, **given}
    params = {name: everything[name] for name in _LOGGED_PARAMS if name in everything}
    return {**params, "metadata": dict(given.get("metadata") or {})}


def client_of(call: PreparedCall) -> Client:
    """The client for a synchronous call."""
    own = call.own_client
    return own if isinstance(own, Client) else default_clients().client(call.keywords)


def async_client_of(call: PreparedCall) -> AsyncClient:
    """The client for an asyncio call."""
    own = call.own_client
    return own if isinstance(own, AsyncClient) else default_clients().async_client(call.keywords)
