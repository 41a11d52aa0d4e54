"""Makes deployments for `ClientSettings.routes`, the model names of a client's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from puna.client.keywords import make_deployment
from puna.client.settings import ClientSettings
from puna.routing.deployment import Deployment
from puna.types.option_kinds import Scope
from puna.types.option_scopes import CALL_OPTIONS, read_option, with_aliases


def read_deployment(
    public_name: str, model: str, keywords: Mapping[str, Any], settings: ClientSettings
) -> Deployment:
    """Make a deployment for a route of a client, from a model name and keywords as for a call.

    Keywords that are no options of Puna become defaults of its requests. Raises as `read_call`.
    """
    own = {k: v for k, v in keywords.items() if k in CALL_OPTIONS and v is not None}
    answer = own.get("mock_response")
    added, headers = (
        read_option(own, name, Scope.CALL, {}) for name in with_aliases("extra_headers")
    )
    return replace(
        make_deployment(model, own, settings, is_canned=answer is not None),
        public_name=public_name,
        params={k: v for k, v in keywords.items() if k not in CALL_OPTIONS and v is not None},
        headers={name.lower(): value for name, value in {**headers, **added}.items()},
        timeout_s=read_option(own, "timeout", Scope.DEPLOYMENT),
        stream_timeout_s=read_option(own, "stream_timeout", Scope.DEPLOYMENT),
        drop_params=read_option(own, "drop_params", Scope.DEPLOYMENT),
        allowed_params=frozenset(read_option(own, "allowed_openai_params", Scope.DEPLOYMENT, ())),
        unwanted_params=frozenset(read_option(own, "additional_drop_params", Scope.DEPLOYMENT, ())),
        canned_answer=answer if isinstance(answer, str) else None,
    )
