"""Parts of chat messages as blocks of the Messages API."""

from __future__ import annotations

from tests.support.chats import PNG_URL
from tests.support.over_messages import EPHEMERAL, PNG, spoken, turns


def test_images_and_pdfs_are_blocks() -> None:
    pdf = {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}
    parts = [
        {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "auto"}, **EPHEMERAL},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "file", "file": pdf},
        {"type": "text", "text": ""},
    ]
    (turn,) = turns({"role": "user", "content": parts})
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert turn["content"] == [
        {"type": "image", "source": PNG, **EPHEMERAL},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {"type": "document", "source": source, "title": "a.pdf"},
    ]


def test_parts_of_the_assistant_are_texts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "No."}]
    (turn,) = turns(spoken(content=parts))
    assert turn["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "No."}]
