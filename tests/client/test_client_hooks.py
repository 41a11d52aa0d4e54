"""What hooks are told, and what no log and no error shows."""

from __future__ import annotations

import asyncio
import logging
import traceback

import pytest
from tests.support.faces import BOTH, HI, KEY, MODEL, ONCE, Face, settings_for
from tests.support.upstream import Reply, Upstream, chunk, completion_body

from puna import APIError, AsyncClient, BadRequestError, ClientSettings
from puna.telemetry.events import CallEvent


@pytest.mark.case(173)
@BOTH
def test_hooks_are_told_once_and_cannot_break_a_call(
    face: Face, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[CallEvent] = []

    def raising(event: CallEvent) -> None:
        raise ZeroDivisionError(event.outcome)

    async def awaited(event: CallEvent) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    async def raising_later(event: CallEvent) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError(event.outcome)

    settings = settings_for(upstream, hooks=(raising, raising_later, seen.append, awaited))
    answer = face.ask(settings, input_cost_per_token=1e-6)
    face.stream(settings)
    upstream.plays(Reply.error(400))
    with pytest.raises(BadRequestError) as caught:
        face.ask(settings)
    upstream.plays(Reply.sse(chunk({"content": "a"}), is_done=False, end="close"))
    broken = face.stream(settings, **ONCE)

    assert seen[::2] == seen[1::2]
    plain, _, failed, cut = seen[::2]
    assert [e.outcome for e in seen[::2]] == ["success", "success", "failure", "failure"]
    assert [e.is_stream for e in seen[::2]] == [False, True, False, True]
    assert plain.answer is answer
    assert plain.messages == HI
    assert plain.report.cost_picos == 11_000_000
    assert plain.report.duration_s > 0
    assert failed.error is caught.value
    assert cut.error is broken.error
    assert cut.report is broken.report
    assert "A hook failed" in caplog.text


CANARIES = {
    name: f"canary-{name.lower()}"
    for name in ("OPENAI_API_KEY", "LITELLM_PROXY_API_KEY", "LLAMA_API_KEY", "ANTHROPIC_API_KEY")
}


@pytest.mark.case(7, 37)
@BOTH
@pytest.mark.parametrize(
    ("model", "own"),
    [
        (MODEL, "LLAMA_API_KEY"),
        ("litellm_proxy/m", "LITELLM_PROXY_API_KEY"),
        ("openai/m", None),
        ("any-name", None),
    ],
)
def test_no_key_is_shown_and_none_goes_to_another_provider(
    face: Face,
    model: str,
    own: str | None,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = ClientSettings(environ=CANARIES)
    own_key = CANARIES[own] if own is not None else "none"
    upstream.plays(Reply.json(completion_body()))
    answer = face.ask(settings, model, api_base=upstream.url)
    upstream.plays(Reply.error(401, f"wrong key {own_key}, said the host"), Reply.reset())
    errors: list[APIError] = []
    for call in (face.ask, face.stream):
        with pytest.raises(APIError) as caught:
            call(settings, model, api_base=upstream.url, **ONCE)
        errors.append(caught.value)
    for sent in upstream.requests:
        expected = f"Bearer {own_key}" if own is not None else None
        assert sent.headers.get("authorization") == expected
        rest = {name: value for name, value in sent.headers.items() if name != "authorization"}
        assert "canary" not in f"{sent.path} {rest} {sent.body!r}"
    shown = [
        repr(settings.tls),
        repr(answer),
        repr(answer.report),
        caplog.text,
        *(str(record.__dict__) for record in caplog.records),
        *(f"{error!r} {error} {error.body} {vars(error)}" for error in errors),
        *("".join(traceback.format_exception(error)) for error in errors),
    ]
    assert "canary" not in "".join(shown)


@pytest.mark.case(37)
@pytest.mark.anyio
async def test_a_prompt_is_not_logged(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,c2VjcmV0LXBpeGVscw"}}
    message = {"role": "user", "content": [{"type": "text", "text": "private words"}, image]}
    upstream.plays(Reply.error(400))
    async with AsyncClient(settings_for(upstream)) as client:
        with pytest.raises(BadRequestError) as caught:
            await client.completion("meta_llama/Llama-4-Scout-17B-16E-Instruct-FP8", [message])
    shown = (
        caplog.text + "".join(traceback.format_exception(caught.value)) + str(vars(caught.value))
    )
    assert "c2VjcmV0" not in shown
    assert "private words" not in shown
    assert KEY not in shown
