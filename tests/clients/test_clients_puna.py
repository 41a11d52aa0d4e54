"""Puna's own SDK as a client of the gateway, by the provider for gateways like it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.replayed import KEY, LISTED, ROWS
from tests.support.server import Served
from tests.support.upstream import Reply, Upstream

import puna

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

MODEL = f"litellm_proxy/{ROWS[0]}/{LISTED}"
HI: Any = [{"role": "user", "content": "hi"}]
TEXT = "Hello there"


@pytest.mark.case(153)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, puna.BadRequestError),
        (403, puna.PermissionDeniedError),
        (404, puna.NotFoundError),
        (429, puna.RateLimitError),
    ],
)
def test_an_error_keeps_its_kind(
    served: Served, hosts: Upstream, status: int, kind: type[puna.APIError]
) -> None:
    hosts.plays(Reply.error(status, "the detail"))
    with pytest.raises(kind) as caught:
        puna.completion(
            MODEL,
            HI,
            api_base=served.url,
            api_key=KEY,
            max_retries=0,
            extra_body={"num_retries": 0},
        )
    assert caught.value.status_code == status
    assert caught.value.provider == "litellm_proxy"


@pytest.mark.case(115)
@pytest.mark.parametrize("stream", [True, False])
def test_it_answers(served: Served, hosts: Upstream, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    answer: Any = puna.completion(MODEL, HI, api_base=served.url, api_key=KEY, stream=stream)
    said = (
        "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        if stream
        else answer.choices[0].message.content
    )
    assert said == TEXT
    assert hosts.requests[-1].json["model"] == LISTED
