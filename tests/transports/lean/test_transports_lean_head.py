"""Request heads of the lean transport: what is sent, and what is refused before a byte is."""

from __future__ import annotations

import pytest

from puna.transports.lean.head import HeadCache, Origin, build_head
from puna.version import __version__
from puna.wire.http import HTTPRequest

URL = "http://host.test/v1/chat"


def request(url: str = URL, method: str = "POST", **headers: str) -> HTTPRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPRequest(method, url, named, b"")


def lines(made: HTTPRequest, body: bytes = b"") -> list[str]:
    text = build_head(made).to_bytes(body).decode("latin-1")
    assert text.endswith("\r\n\r\n")
    return text.removesuffix("\r\n\r\n").split("\r\n")


def test_a_head_has_its_line_host_defaults_and_length() -> None:
    assert lines(request(Authorization="Bearer k"), b"abc") == [
        "POST /v1/chat HTTP/1.1",
        "host: host.test",
        "accept: */*",
        "accept-encoding: identity",
        f"user-agent: puna/{__version__}",
        "authorization: Bearer k",
        "content-length: 3",
    ]
    assert lines(request())[-1] == "content-length: 0"
    assert not [line for line in lines(request(method="GET")) if "content-length" in line]
    assert build_head(request(method="HEAD")).has_no_reply_body
    assert not build_head(request()).has_no_reply_body


@pytest.mark.parametrize(
    ("url", "origin", "first", "host"),
    [
        ("http://h", Origin("http", "h", 80), "POST / HTTP/1.1", "h"),
        (
            "https://H.test:443/a?b=c",
            Origin("https", "h.test", 443),
            "POST /a?b=c HTTP/1.1",
            "h.test",
        ),
        ("http://h:8080/a", Origin("http", "h", 8080), "POST /a HTTP/1.1", "h:8080"),
        ("http://[::1]:9/a", Origin("http", "::1", 9), "POST /a HTTP/1.1", "[::1]:9"),
        ("http://h/\u00e9", Origin("http", "h", 80), "POST /%C3%A9 HTTP/1.1", "h"),
        (
            "http://b\u00fccher.test",
            Origin("http", "xn--bcher-kva.test", 80),
            "POST / HTTP/1.1",
            None,
        ),
    ],
)
def test_a_url_becomes_an_origin_and_a_target(
    url: str, origin: Origin, first: str, host: str | None
) -> None:
    assert build_head(request(url)).origin == origin
    assert lines(request(url))[:2] == [first, f"host: {host or origin.host}"]


def test_the_name_and_password_of_a_url_are_credentials_unless_there_are_others() -> None:
    url = "http://user:p%40ss@host.test/"
    assert "authorization: Basic dXNlcjpwQHNz" in lines(request(url))
    assert "authorization: Bearer k" in lines(request(url, Authorization="Bearer k"))


def test_headers_that_only_repeat_ours_are_left_out_and_no_others() -> None:
    plain = lines(request())
    assert lines(request(Host="HOST.test", Connection="Keep-Alive")) == plain
    assert "x-mode: keep-alive" in lines(request(x_mode="keep-alive"))
    assert "x-host: host.test" in lines(request(x_host="host.test"))


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Host": "other.test"}, "`host` is the transport's own"),
        ({"Connection": "close"}, "`connection` is the transport's own"),
        ({"Transfer_Encoding": "chunked"}, "`transfer-encoding` is the transport's own"),
        ({"TE": "trailers"}, "`te` is the transport's own"),
        ({"Upgrade": "h2c"}, "`upgrade` is the transport's own"),
        ({"Expect": "100-continue"}, "`expect` is the transport's own"),
        ({"x y": "1"}, "is no header name"),
        ({"x_key": "a\nb"}, "`x-key` holds a character that no header may hold"),
        ({"x_key": "1", "X_Key": "2"}, "`x-key` is given twice"),
        ({"Content_Length": "5"}, "says `5` and the body has 0 bytes"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        lines(request(**headers))
    assert "a\nb" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "method", "words"),
    [
        ("http://h/a b", "POST", "a space or a control character"),
        ("ftp://h/", "POST", "neither `http` nor `https`"),
        ("http://a..b/", "POST", "is no host name"),
        ("http://.a/", "POST", "is no host name"),
        ("http:///a", "POST", "is no host name"),
        ("http://a_b!/", "POST", "is no host name"),
        (URL, "CONNECT", "is no method"),
        (URL, "PO ST", "is no method"),
    ],
)
def test_a_url_or_method_that_cannot_be_sent_is_refused(url: str, method: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_head(request(url, method))


def test_a_head_is_made_once_and_the_cache_is_bounded() -> None:
    cache = HeadCache()
    first = cache.get(request())
    assert cache.get(request()) is first
    assert cache.get(request(x="1")) is not first
    for number in range(512):
        cache.get(request(x=f"n{number}"))
    assert cache.get(request()) is not first
