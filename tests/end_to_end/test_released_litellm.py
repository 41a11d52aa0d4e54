"""The released LiteLLM, in an environment of its own, as a client of our gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.processes import BIN, free_port, run, running

pytestmark = [
    pytest.mark.released_client,
    pytest.mark.end_to_end,
    pytest.mark.xdist_group("embedded"),
]

PYTHON = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "python"

BEFORE = """
import json, litellm
litellm.disable_hf_tokenizer_download = True
assert litellm.__file__.count(".venv-litellm"), litellm.__file__
common = dict(model="litellm_proxy/embedded/smollm2-135m", api_base="{url}", api_key="any")
ask = [{{"role": "user", "content": "What is the weather in Lima?"}}]
tools = [{{"type": "function", "function": {{"name": "get_weather", "parameters": {{
    "type": "object", "properties": {{"city": {{"type": "string"}}}}, "required": ["city"]}}}}}}]
"""

PROGRAMS = {
    "plain": """
answer = litellm.completion(messages=ask, max_tokens=12, **common)
assert answer.choices[0].message.content
assert answer.usage.total_tokens > 0
""",
    "stream": """
chunks = list(litellm.completion(messages=ask, max_tokens=12, stream=True, **common))
assert "".join(c.choices[0].delta.content or "" for c in chunks)
assert chunks[-1].choices[0].finish_reason in ("stop", "length")
""",
    "a required tool": """
answer = litellm.completion(messages=ask, tools=tools, tool_choice="required", **common)
call = answer.choices[0].message.tool_calls[0]
assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)
""",
    "a named tool": """
named = {"type": "function", "function": {"name": "get_weather"}}
answer = litellm.completion(messages=ask, tools=tools, tool_choice=named, **common)
assert answer.choices[0].finish_reason == "tool_calls"
""",
    "a schema": """
schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"],
          "additionalProperties": False}
answer = litellm.completion(messages=ask, response_format={
    "type": "json_schema", "json_schema": {"name": "age", "schema": schema}}, **common)
assert isinstance(json.loads(answer.choices[0].message.content)["age"], int)
""",
    "a text completion": """
answer = litellm.text_completion(prompt="The three states of matter are", max_tokens=12, **common)
assert answer.choices[0].text
""",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    with running([str(BIN / "puna"), "serve", "--port", str(port)], port, folder):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.case(115)
@pytest.mark.parametrize("what", PROGRAMS)
def test_the_released_client_gets(what: str, url: str, tmp_path: Path) -> None:
    program = BEFORE.format(url=url) + PROGRAMS[what] + "print(json.dumps('fine'))"

    said = run([str(PYTHON), "-c", program], tmp_path, LITELLM_LOCAL_MODEL_COST_MAP="True")

    assert json.loads(said.splitlines()[-1]) == "fine"
