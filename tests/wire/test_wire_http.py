from __future__ import annotations

import pytest

from puna.wire.http import HTTPReply, HTTPRequest, Timeouts


@pytest.mark.case(37)
def test_the_repr_of_a_request_shows_neither_headers_nor_body() -> None:
    request = HTTPRequest("POST", "http://up", {"authorization": "Bearer sk-1"}, b"data:image")
    assert "sk-1" not in repr(request)
    assert "data:image" not in repr(request)


def test_a_request_can_go_to_another_address_with_more_headers() -> None:
    request = HTTPRequest("POST", "embedded://m", {"a": "1"}, b"{}", Timeouts(total_s=1.0), True)
    moved = request.to("http://127.0.0.1:1/v1", {"b": "2"})
    assert (moved.url, moved.headers) == ("http://127.0.0.1:1/v1", {"a": "1", "b": "2"})
    assert (moved.body, moved.timeouts, moved.is_stream) == (b"{}", Timeouts(total_s=1.0), True)
    assert request.url == "embedded://m"


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("application/json", "application/json"),
        ("Text/Event-Stream; charset=utf-8", "text/event-stream"),
        (" text/html ;x", "text/html"),
        ("", ""),
    ],
)
def test_the_media_type_is_read_without_parameters(header: str, kind: str) -> None:
    assert HTTPReply(200, {"content-type": header}).media_type == kind
    assert HTTPReply(200, {}).media_type == ""


@pytest.mark.parametrize(
    ("status", "is_success"), [(199, False), (200, True), (204, True), (299, True), (300, False)]
)
def test_2xx_is_a_success(status: int, is_success: bool) -> None:  # noqa: FBT001 - a table's column
    assert HTTPReply(status, {}).is_success is is_success
