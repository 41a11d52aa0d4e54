"""Bodies that nobody sends by accident."""

from __future__ import annotations

import re

from tests.support.asgi import UPSTREAM_KEY, Answer

RAW = re.compile(r"Traceback|\.py\b|<class|object at 0x|NoneType|site-packages|/work|sys\.set_")


def is_refused(answer: Answer, status: int = 400) -> bool:
    """Whether an answer is a clean refusal."""
    return answer.status == status and bool(answer.error["message"]) and is_clean(answer)


def is_clean(answer: Answer) -> bool:
    """Whether nothing of ours shows in an answer."""
    whole = answer.text + str(answer.headers)
    return not RAW.search(whole) and UPSTREAM_KEY not in whole
