"""Azure OpenAI: a resource's address, a deployment in the path, a version, the key in a header.

The model is the deployment's name. Sources: BAML's page on it (path, header, version),
LiteLLM 1.106.2 (variables, default version); read 2026-11-26. Azure's newer `…/openai/v1` takes
none of this: it is a server for `openai/` with `api_base`. Azure's Responses API has no deployment
in the path and wants a newer version: responses go over chat here.
"""

from __future__ import annotations

from puna.bridges.histories.rules import OPENAI
from puna.dialects.quirks import HINTS, Quirks
from puna.providers.base import Provider

PROVIDER = Provider(
    name="azure",
    base_url=None,
    docs_url="https://learn.microsoft.com/en-us/azure/ai-services/openai/reference",
    base_url_variables=("AZURE_API_BASE",),
    key_variables=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
    query={"api-version": "2025-02-01-preview"},
    query_variables={"api-version": ("AZURE_API_VERSION",)},
    quirks=Quirks(
        path_prefix="/openai/deployments/{model}",
        key_header="api-key",
        messages=OPENAI,
        known_hints=HINTS,
    ),
)
