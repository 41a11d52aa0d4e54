"""The module-level functions, each in a fresh interpreter with every warning an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.upstream import Reply, Upstream

import puna
from puna.api.calls import DefaultClients


def run(code: str, *flags: str, **environ: str) -> str:
    """What a fresh interpreter prints; its complaints fail the test."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", *flags, "-c", code],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def environ_for(upstream: Upstream) -> dict[str, str]:
    return {"LLAMA_API_KEY": "k", "LLAMA_API_BASE": upstream.url}


HEAD = """
import asyncio, puna
M = "meta_llama/Llama-3.3-8B-Instruct"
HI = [{"role": "user", "content": "hi"}]
"""

SYNC = (
    HEAD
    + """
print(puna.completion(M, HI).choices[0].message.content)
print("".join(c.choices[0].delta.content or "" for c in puna.completion(M, HI, stream=True)))
print(puna.text_completion(M, "Once").choices[0].text)
print("".join(c.choices[0].text for c in puna.text_completion(M, "Once", stream=True)))
"""
)

ASYNC = (
    HEAD
    + """
async def main():
    answers = await asyncio.gather(*(puna.acompletion(M, HI) for _ in range(50)))
    assert len(answers) == 50
    print(answers[0].choices[0].message.content)
    stream = await puna.acompletion(M, HI, stream=True)
    print("".join([c.choices[0].delta.content or "" async for c in stream]))
    print((await puna.atext_completion(M, "Once")).choices[0].text)
    stream = await puna.atext_completion(M, "Once", stream=True)
    print("".join([c.choices[0].text async for c in stream]))
    async for _ in await puna.acompletion(M, HI, stream=True):
        break
"""
)


@pytest.mark.case(1, 41, 175)
def test_sync_calls_are_clean_under_strict_warnings(upstream: Upstream) -> None:
    assert run(SYNC, "-O", **environ_for(upstream)).splitlines() == ["Hello world"] * 4


ONE_OF_EACH = """
import asyncio, os, puna
HOST = {"api_base": os.environ["HOST"], "api_key": "k"}
JUDGE, VECTORS = "openai/omni-moderation-latest", "openai/text-embedding-3-small"
print(puna.moderation(JUDGE, "hi", **HOST).results[0].flagged)
print(asyncio.run(puna.amoderation(JUDGE, "hi", **HOST)).results[0].flagged)
print(puna.embedding(VECTORS, "hi", **HOST).data[0].embedding)
print(asyncio.run(puna.aembedding(VECTORS, "hi", **HOST)).data[0].embedding)
"""


def test_verdicts_and_vectors_come_from_the_module_level_functions(upstream: Upstream) -> None:
    verdict = {"flagged": True, "categories": {}, "category_scores": {}}
    judged = Reply.json({"id": "modr-1", "model": "m", "results": [verdict]})
    vectors = Reply.json({"data": [{"index": 0, "embedding": [0.5]}], "model": "m"})
    upstream.plays(judged, judged, vectors, vectors)
    assert run(ONE_OF_EACH, HOST=upstream.url).splitlines() == ["True", "True", "[0.5]", "[0.5]"]


@pytest.mark.case(11, 175)
def test_two_event_loops_one_after_the_other_are_clean(upstream: Upstream) -> None:
    code = ASYNC + "asyncio.run(main())\nasyncio.run(main())\n"
    assert run(code, **environ_for(upstream)).splitlines() == ["Hello world"] * 8
    assert upstream.sees(lambda: upstream.open_connections == 0)


@pytest.mark.case(27, 175)
def test_a_mock_response_needs_neither_key_nor_network() -> None:
    code = HEAD + "print(puna.completion(M, HI, mock_response='x').choices[0].message.content)"
    assert run(code, "-O", TZ="Asia/Kathmandu", HOME="/nonexistent") == "x"


@pytest.mark.case(11, 57)
def test_streams_left_open_at_the_end_are_clean(upstream: Upstream) -> None:
    upstream.plays_always(Reply.endless())
    code = HEAD + (
        "kept = puna.completion(M, HI, stream=True); next(kept)\n"
        "async def main():\n"
        "    later = await puna.acompletion(M, HI, stream=True)\n"
        "    await anext(later)\n"
        "asyncio.run(main())\n"
        "print('left')\n"
    )
    assert run(code, **environ_for(upstream)) == "left"
    assert upstream.sees(lambda: upstream.open_connections == 0)


@pytest.mark.case(5)
def test_the_environment_is_read_at_each_call(upstream: Upstream) -> None:
    code = HEAD + (
        "import os\n"
        "os.environ['LLAMA_API_KEY'] = 'late'\n"
        f"os.environ['LLAMA_API_BASE'] = {upstream.url!r}\n"
        "puna.completion(M, HI)\n"
    )
    run(code)
    assert upstream.requests[0].headers["authorization"] == "Bearer late"


@pytest.mark.case(38)
def test_ssl_verify_and_its_variables_choose_whom_to_trust(tmp_path: Path) -> None:
    code = HEAD + (
        "for wish in (True, False, 'false', '1', None, 7, {missing!r}):\n"
        "    try:\n"
        "        answer = puna.completion(M, HI, mock_response='x', ssl_verify=wish)\n"
        "        print(answer.choices[0].message.content)\n"
        "    except puna.PunaError as error:\n"
        "        print(type(error).__name__)\n"
    ).format(missing=str(tmp_path / "missing.pem"))
    assert run(code).split() == ["x"] * 5 + ["BadRequestError", "ConfigError"]
    code = HEAD + "puna.completion(M, HI, mock_response='x'); print('made')"
    assert run(code, SSL_VERIFY="False", SSL_CERT_FILE="") == "made"


@pytest.mark.case(36)
def test_importing_stays_within_its_budget_of_modules() -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import puna\n"
        "print(len(set(sys.modules) - before), *(n for n in sys.modules if n[:5] == 'puna.'))\n"
    )
    count, *own = run(code).split()
    assert int(count) <= 40  # measured: 27 above the bare interpreter's
    assert set(own) <= {"puna.errors", "puna.version"}


@pytest.mark.case(36)
def test_importing_is_light_and_leaves_the_process_alone() -> None:
    code = (
        "import logging, sys, warnings\n"
        "before = (list(warnings.filters), logging.root.level, list(logging.root.handlers))\n"
        "import puna\n"
        "after = (list(warnings.filters), logging.root.level, list(logging.root.handlers))\n"
        "assert before == after\n"
        "heavy = ('httpx2', 'pydantic', 'uvicorn', 'click', 'yaml', 'sqlite3', 'tiktoken',"
        " 'asyncio', 'ssl')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "assert set(puna.__all__) - set(dir(puna)) == set()\n"
        "assert all(getattr(puna, name) is not None for name in puna.__all__)\n"
        "try:\n"
        "    puna.nothing\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
        "late = ('uvicorn', 'click', 'yaml', 'sqlite3', 'tiktoken', 'asyncpg')\n"
        "print([name for name in late if name in sys.modules])\n"
        "asyncio = sys.modules['asyncio']\n"
        "assert asyncio.get_event_loop_policy().__class__.__module__ == 'asyncio.unix_events'\n"
    )
    assert run(code).splitlines() == ["[]", "module 'puna' has no attribute 'nothing'", "[]"]


@pytest.mark.case(43)
def test_nothing_but_the_upstream_is_asked(upstream: Upstream) -> None:
    code = (
        "import socket\n"
        "real = socket.getaddrinfo\n"
        "asked = []\n"
        "def note(host, *rest, **more):\n"
        "    asked.append(host)\n"
        "    return real(host, *rest, **more)\n"
        "socket.getaddrinfo = note\n"
    ) + SYNC
    assert run(code + "print(set(asked) - {'127.0.0.1'})", **environ_for(upstream)).endswith(
        "set()"
    )


MODEL = "meta_llama/Llama-3.3-8B-Instruct"
HI = [{"role": "user", "content": "hi"}]


@pytest.mark.case(27)
@pytest.mark.anyio
async def test_every_function_gives_a_mock_response() -> None:
    assert puna.completion(MODEL, HI, mock_response="x").choices[0].message.content == "x"
    answer = await puna.acompletion(MODEL, HI, mock_response="x")
    assert answer.choices[0].message.content == "x"
    assert puna.text_completion(MODEL, "Once", mock_response="x").choices[0].text == "x"
    text = await puna.atext_completion(MODEL, "Once", mock_response="x")
    assert text.choices[0].text == "x"
    stream = await puna.atext_completion(MODEL, ["a", "b"], mock_response="x", stream=True)
    assert "".join([c.choices[0].text or "" async for c in stream]) == "xx"


def test_one_default_client_serves_each_way_of_trusting() -> None:
    clients = DefaultClients(puna.ClientSettings(environ={}))
    first = clients.client({})
    assert clients.client({"ssl_verify": True}) is first
    assert clients.client({"ssl_verify": False}) is not first
    assert clients.async_client({}) is clients.async_client({"model": "x"})


def test_closed_default_clients_are_made_anew() -> None:
    clients = DefaultClients(puna.ClientSettings(environ={}))
    first = clients.client({})
    clients.close()
    clients.close()
    assert clients.client({}) is not first
    clients.close()


def test_both_faces_share_one_embedded_process_that_ends_with_the_program() -> None:
    code = (
        "import os, pathlib, litellm, puna\n"
        "ask = {'messages': [{'role': 'user', 'content': 'Hi'}], 'max_tokens': 1}\n"
        "puna.completion('embedded/smollm2-135m', **ask)\n"
        "litellm.completion('embedded/smollm2-135m', **ask)\n"
        "pids = pathlib.Path(f'/proc/self/task/{os.getpid()}/children').read_text().split()\n"
        "print(len(pids), *pids)\n"
    )
    count, pid = run(code).split()
    assert count == "1"
    assert not Path(f"/proc/{pid}").exists()
