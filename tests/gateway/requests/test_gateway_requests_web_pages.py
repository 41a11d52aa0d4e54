"""Web pages before a gateway without a key: what they may not read, and not spend."""

from __future__ import annotations

import pytest
from tests.support.asgi import CHAT, MODEL, House
from tests.support.open_gateway import KEY, over_the_wire
from tests.support.upstream import Upstream


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "who-knows"])
@pytest.mark.parametrize(
    "path", ["/v1/models", "/model/info", "/health", "/v1/responses/resp_1", "/v1/nothing"]
)
def test_an_image_of_another_site_gets_nothing(upstream: Upstream, site: str, path: str) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    answer = House(upstream).get(path, headers)
    assert answer.status == 403
    assert answer.error["code"] == "origin_not_allowed"
    assert MODEL not in answer.text
    assert upstream.requests == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_form_of_another_site_is_refused(upstream: Upstream, method: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for path in ("/v1/chat/completions", "/health", "/v1/responses/resp_1"):
        assert House(upstream).ask(path, CHAT, headers, method=method).status == 403
    assert upstream.requests == []


def test_a_link_from_anywhere_may_lead_to_what_needs_no_key(upstream: Upstream) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    house = House(upstream)
    assert house.get("/", link).status == 200
    assert house.get("/openapi.json", link).status == 200
    assert house.get("/v1/models", link).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "same-site", "origin": "http://app.localhost:3000"},
        {"sec-fetch-mode": "cors"},  # Node's fetch
        {},
    ],
)
def test_a_person_a_local_page_and_a_program_are_answered(
    upstream: Upstream, headers: dict[str, str]
) -> None:
    house = House(upstream)
    assert house.get("/v1/models", headers).status == 200
    assert house.ask(headers=headers).status == 200


def test_with_a_key_a_page_of_another_site_is_answered(upstream: Upstream) -> None:
    headers = {"sec-fetch-site": "cross-site", "x-api-key": KEY}
    assert House(upstream, master_key=KEY).ask(headers=headers).status == 200


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("host: gateway:4000\r\n", (200, 1)),
        ("host: evil.example\r\n", (403, 0)),
        ("host: gateway\r\nsec-fetch-site: cross-site\r\n", (403, 0)),
        ("host: gateway\r\nsec-fetch-site: same-origin\r\n", (200, 1)),
        ("host: gateway\r\norigin: https://evil.example\r\n", (403, 0)),
    ],
)
def test_both_doors_refuse_the_same_pages(
    lines: str, told: tuple[int, int], *, is_fast: bool
) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{lines}"
    assert over_the_wire(head, is_fast=is_fast) == told
