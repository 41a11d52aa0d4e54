"""A reply that is read at once is what the parser reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from puna.transports.lean.reading import ReplyReader
from puna.transports.lean.whole import read_whole

_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(b"content-length: 2", b"Content-Length:3", b"content-length: 02"),
                *(b"content-length : 2", b"content-length: 2, 2", b"content-length:"),
                *(b"transfer-encoding: chunked", b"connection: keep-alive", b"connection: close"),
                *(b"content-encoding: gzip", b"content-encoding: identity", b"upgrade: h2c"),
                *(b"x: \r", b"x: \n", b" folded: y", b"x\ty: z", b": nameless", b"x", b"x: \xff"),
                *(b"x-a: 1", b"x-a: 2 ", b"X-A:\t3", b"date: Wed, 25 Nov 2026 10:00:00 GMT"),
            ]
        ),
        st.binary(max_size=12),
    ),
    max_size=6,
)


@given(
    start=st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 200 ",
            b"HTTP/1.1 200",
            b"HTTP/1.0 200 OK",
            b"HTTP/1.1 204 ",
        ]
    ),
    lines=_LINES,
    body=st.sampled_from([b"", b"hi", b"hi!", b"0\r\n\r\n", b"hiHTTP/1.1 200 OK\r\n\r\n"]),
)
def test_what_is_taken_at_once_the_parser_reads_the_same(
    start: bytes, lines: list[bytes], body: bytes
) -> None:
    wire = b"\r\n".join([start, *lines, b"", body])
    taken = read_whole(wire)
    if taken is None:
        return
    reader = ReplyReader()
    reader.feed(wire)
    assert (reader.failure, reader.is_complete, reader.keeps_alive) == (None, True, True)
    assert (reader.status, reader.headers) == (taken.status, dict(taken.headers))
    assert b"".join(reader.pieces) == taken.body
