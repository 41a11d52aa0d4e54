"""Reads the keywords of `responses()` into one frozen call. Pure, as for chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from puna.bridges.responses.compaction import expand_compactions
from puna.client.keywords import (
    make_call,
    read_canned,
    read_chat_options,
    read_options,
    split_keywords,
)
from puna.client.settings import ClientSettings
from puna.engine.call import Call
from puna.engine.responses import ResponseMemory
from puna.types.option_kinds import Scope
from puna.types.option_scopes import read_option
from puna.types.response_request import (
    ResponsesRequest,
    make_responses_request,
    references_in,
)


def read_response_call(
    model: Any,
    asked: Any,
    keywords: Mapping[str, Any],
    settings: ClientSettings,
    memory: ResponseMemory,
    *,
    stream: Any = None,
) -> Call[ResponsesRequest]:
    """Make the call from the arguments of `responses()`; `asked` is the input.

    Raises:
        BadRequestError: a keyword is wrong; `param` names it.
        AuthenticationError: the host needs a key and there is none.
        NotFoundError: `previous_response_id` is no response of this memory.
    """
    own, body = split_keywords(keywords, settings)
    request = make_responses_request(
        model,
        {**body, "input": asked, "metadata": own.get("metadata")},
        stream=stream,
        earlier=memory.earlier(keywords.get("previous_response_id")),
        chat_options=read_chat_options(own, settings),
        strict_tools=read_option(own, "strict_tools", Scope.CALL, settings.strict_tools),
        stored_items=memory.items(references_in(asked)),
        **read_options(own, settings),
    )
    request = replace(request, items=expand_compactions(request.items))
    return make_call(request, own, settings, read_canned(own))
