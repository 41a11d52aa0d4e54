"""Deployments for `ClientSettings.routes`: names of a client's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from puna.client.checks import read_mapping, read_names, read_seconds
from puna.client.keywords import OWN_KEYWORDS, make_deployment
from puna.client.settings import ClientSettings
from puna.routing.deployment import Deployment


def read_deployment(
    public_name: str, model: str, keywords: Mapping[str, Any], settings: ClientSettings
) -> Deployment:
    """A deployment of a client's own (`ClientSettings.routes`), from the keywords of a call.

    What is no keyword of Puna's is a default of its requests. Raises as `read_call` does.
    """
    own = {k: v for k, v in keywords.items() if k in OWN_KEYWORDS and v is not None}
    answer = own.get("mock_response")
    return replace(
        make_deployment(model, own, settings, is_canned=answer is not None),
        public_name=public_name,
        params={k: v for k, v in keywords.items() if k not in OWN_KEYWORDS and v is not None},
        headers={
            name.lower(): value
            for given in ("headers", "extra_headers")
            for name, value in read_mapping(own, given).items()
        },
        timeout_s=read_seconds(own, "timeout", None),
        stream_timeout_s=read_seconds(own, "stream_timeout", None),
        drop_params=own.get("drop_params"),
        allowed_params=frozenset(read_names(own, "allowed_openai_params")),
        unwanted_params=frozenset(read_names(own, "additional_drop_params")),
        canned_answer=answer if isinstance(answer, str) else None,
    )
