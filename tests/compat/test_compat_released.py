"""The shapes of the released LiteLLM, side by side with ours (`make check` runs this)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.released_client

RELEASED = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "python"
SCRIPT = """
import inspect, json, sys, warnings
warnings.simplefilter("ignore")
import litellm
from litellm import exceptions
from litellm.types.utils import Delta, StreamingChoices
litellm.suppress_debug_info = True
litellm.disable_hf_tokenizer_download = True
M = "meta_llama/Llama-3.3-8B-Instruct"
HI = [{"role": "user", "content": "hi"}]

def shape(value):
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__

def parameters(cls):
    try:
        return list(inspect.signature(cls).parameters)
    except ValueError:  # no constructor of its own
        return []

def told(name, **facts):
    try:
        error = getattr(exceptions, name)(message="m", llm_provider="p", model="mo", **facts)
    except TypeError:  # some need a response there
        return None
    return [str(error), error.status_code, error.message, error.model, error.llm_provider]

ask = dict(model=M, messages=HI, api_key="k", mock_response="hello")
call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
message = litellm.Message(content="x", tool_calls=[call])
delta = Delta(content="x")
ABSENT = ("reasoning_content", "audio", "thinking_blocks", "annotations", "images", "refusal",
          "function_call", "provider_specific_fields", "tool_calls", "role")
answer = litellm.completion(**ask)
chunks = list(litellm.completion(**ask, stream=True))
text = litellm.text_completion(prompt="Once", model=M, api_key="k", mock_response="hello")
usage = litellm.Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3,
                      prompt_tokens_details={"cached_tokens": 1})
names = [name for name in dir(exceptions) if isinstance(getattr(exceptions, name), type)
         and getattr(exceptions, name).__module__ == "litellm.exceptions"]
print(json.dumps({
    "answer": shape(answer.model_dump()),
    "json": shape(answer.json()),
    "to_dict": shape(answer.to_dict()),
    "chunk": shape(chunks[0].model_dump()),
    "chunk_texts": [c.choices[0].delta.content for c in chunks],
    "chunk_ends": [c.choices[0].finish_reason for c in chunks],
    "text": shape(text.model_dump()),
    "empty": shape(litellm.ModelResponse().model_dump()),
    "empty_choice": shape(StreamingChoices().model_dump()),
    "message_repr": repr(message),
    "printed": str(message) + str(delta) + str(usage)[:60] + str(chunks[0].choices[0]),
    "delta_repr": repr(delta),
    "message_has": {name: hasattr(message, name) for name in ABSENT},
    "delta_has": {name: hasattr(delta, name) for name in ABSENT},
    "message_get": [message.get("audio", "no"), message.get("function_call", "no")],
    "usage": shape(usage.model_dump(exclude_none=True)),
    "hidden": sorted(set(answer._hidden_params) - {"region_name"}),
    "cost": answer._hidden_params["response_cost"],
    "response_ms": type(answer._response_ms).__name__,
    "provider": litellm.get_llm_provider(M, api_key="k"),
    "window": [litellm.get_model_info(M)[k] for k in ("key", "max_tokens", "max_input_tokens",
               "max_output_tokens", "input_cost_per_token", "litellm_provider", "mode")],
    "max_tokens": litellm.get_max_tokens(M),
    "costs": [litellm.completion_cost(answer), *litellm.cost_per_token(M, 1, 2)],
    "models": sorted(litellm.models_by_provider["meta_llama"]),
    "encoded": litellm.encode(model=M, text="hello"),
    "tools": litellm.supports_function_calling(M),
    "told": {name: told(name) for name in names},
    "orders": {name: parameters(getattr(exceptions, name)) for name in names},
    "modules": [cls.__module__ for cls in (litellm.ModelResponse, litellm.Message, Delta,
                litellm.RateLimitError, litellm.CustomStreamWrapper)],
}))
"""


@cache
def _shapes(python: str) -> Any:
    run = subprocess.run(
        [python, "-c", SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": ""},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


_PRICES = ("cost", "costs", "window")
"""Where a price may stand. Nobody knows that of Llama at Meta: LiteLLM says 0, and we None."""


def _without_zeros(theirs: Any) -> Any:
    if isinstance(theirs, list):
        return [_without_zeros(one) for one in theirs]
    return None if theirs == 0 else theirs


@pytest.mark.parametrize(
    "what",
    [
        "answer",
        "json",
        "to_dict",
        "chunk",
        "chunk_texts",
        "chunk_ends",
        "text",
        "empty",
        "empty_choice",
        "message_repr",
        "printed",
        "delta_repr",
        "message_has",
        "delta_has",
        "message_get",
        "usage",
        "hidden",
        "cost",
        "response_ms",
        "provider",
        "window",
        "max_tokens",
        "costs",
        "models",
        "encoded",
        "tools",
        "modules",
    ],
)
def test_ours_has_the_shape_of_the_released_one(what: str) -> None:
    ours, theirs = _shapes(sys.executable)[what], _shapes(str(RELEASED))[what]

    if what == "hidden":
        assert set(theirs) <= {*ours, "litellm_overhead_time_ms"}
    elif what in _PRICES:
        assert ours == _without_zeros(theirs)
    else:
        assert ours == theirs


def test_our_exceptions_say_what_the_released_ones_say() -> None:
    ours, theirs = _shapes(sys.executable)["told"], _shapes(str(RELEASED))["told"]

    compared = [name for name, told in theirs.items() if told is not None]
    assert len(compared) >= 17
    for name in compared:
        assert ours.get(name) == theirs[name], name


def test_our_exceptions_take_arguments_in_the_released_order() -> None:
    ours, theirs = _shapes(sys.executable)["orders"], _shapes(str(RELEASED))["orders"]

    assert len(set(ours) & set(theirs)) > 20
    for name in ours:
        if not ours[name] or name not in theirs:
            continue
        assert ours[name][: len(theirs[name])] == theirs[name], name
