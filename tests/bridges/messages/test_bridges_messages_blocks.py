"""Blocks of a turn as parts: texts, images and documents."""

from __future__ import annotations

from tests.support.messages_requests import PNG, PNG_PART, plain, turn


def test_texts_alone_become_one_string_which_every_host_reads() -> None:
    asked = turn([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    assert plain(asked) == ([{"role": "user", "content": "a\n\nb"}], ())


def test_images_become_parts_between_the_texts() -> None:
    asked = turn(
        [
            {"type": "text", "text": "this"},
            {"type": "image", "source": PNG},
            {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
            {"type": "text", "text": "or that?"},
        ]
    )
    assert asked.messages[0]["content"] == [
        {"type": "text", "text": "this"},
        PNG_PART,
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "text", "text": "or that?"},
    ]


def test_a_document_of_plain_text_becomes_text_with_its_title() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "body"}
    asked = turn([{"type": "document", "title": "A title", "source": source}])
    assert asked.messages == [{"role": "user", "content": "A title\n\nbody"}]
