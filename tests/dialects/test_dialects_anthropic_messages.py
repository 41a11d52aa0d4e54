"""Requests to Anthropic's API as bytes, by the facts of the model and the row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import KEY, context_for, request_for

from puna.dialects.anthropic_messages import AnthropicMessages
from puna.dialects.base import Target
from puna.errors import AuthenticationError, BadRequestError, MalformedReplyError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.messages_extras import MessagesExtras
from puna.types.requests import ChatRequest
from puna.types.secret import Secret
from puna.wire.http import HTTPReply, HTTPRequest, Timeouts

ROW = PROVIDERS["anthropic"]


def target_of(model: str, environ: dict[str, str] | None = None) -> Target:
    return resolve_target(ROW, model, environ or {}, api_key=Secret(KEY))


def sent(request: ChatRequest, target: Target) -> HTTPRequest:
    return AnthropicMessages().build_request(request, target, Timeouts()).http


def body_of(model: str, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sent(request_for(**fields), target_of(model)).body)
    return body


@pytest.mark.parametrize(
    ("model", "limit"),
    [("claude-opus-5-5", 128_000), ("claude-haiku-4-5", 64_000), ("claude-next", 4_096)],
)
def test_the_limit_is_the_models_where_it_is_known(model: str, limit: int) -> None:
    assert body_of(model)["max_tokens"] == limit


def test_effort_is_told_as_the_model_wants_it() -> None:
    assert body_of("claude-haiku-4-5", reasoning_effort="low")["thinking"] == {
        "type": "enabled",
        "budget_tokens": 1_024,
    }
    for model in ("claude-sonnet-5", "claude-next"):
        assert body_of(model, reasoning_effort="low")["output_config"] == {"effort": "low"}


def test_features_that_a_client_asks_for_stand_beside_the_operators() -> None:
    target = target_of("m")
    asked = replace(request_for(), messages_extras=MessagesExtras(betas=("one", "two")))
    assert sent(asked, target).headers["anthropic-beta"] == "one,two"
    own = replace(asked, headers={"anthropic-beta": "mine"})
    assert sent(own, target).headers["anthropic-beta"] == "mine,one,two"
    assert "anthropic-beta" not in sent(request_for(), target).headers


@pytest.mark.parametrize("base", ["https://proxy.test", "https://proxy.test/v1/"])
def test_an_address_may_end_with_the_version(base: str) -> None:
    for name in ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"):
        target = target_of("m", {name: base})
        assert sent(request_for(), target).url == "https://proxy.test/v1/messages"


def test_a_key_is_needed_at_anthropics_own_address_only() -> None:
    with pytest.raises(AuthenticationError, match="ANTHROPIC_API_KEY"):
        resolve_target(ROW, "m", {})
    elsewhere = resolve_target(ROW, "m", {"ANTHROPIC_API_BASE": "http://proxy.test"})
    assert "x-api-key" not in sent(request_for(), elsewhere).headers


def test_the_environments_key_does_not_follow_a_call_to_another_host() -> None:
    environ = {"ANTHROPIC_API_KEY": KEY}
    other = resolve_target(ROW, "m", environ, api_base="http://other.test")
    assert other.api_key is None


def test_an_image_is_data_or_on_the_web() -> None:
    part = {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}
    with pytest.raises(BadRequestError) as raised:
        body_of("claude-haiku-4-5", messages=[{"role": "user", "content": [part]}])
    assert raised.value.param == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"content": [{"type": "text", "text": 7}]}, "a block of content that is none"),
        ({"content": ["x"]}, "a block of content that is none"),
        ({"content": [], "stop_reason": 7}, "wrong kind"),
    ],
)
def test_a_success_that_is_no_message_is_malformed(body: dict[str, Any], said: str) -> None:
    with pytest.raises(MalformedReplyError, match=said):
        AnthropicMessages().read_reply(
            HTTPReply(200, {}, json.dumps(body).encode()), context_for(target=target_of("m"))
        )
