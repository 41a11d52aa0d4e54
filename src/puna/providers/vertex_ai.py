"""Llama and other open models on Google's Vertex AI, over its OpenAI-compatible path.

Sources: its pages "Call MaaS APIs for open models" and "Request Llama predictions", read
2026-11-26; names as in LiteLLM 1.106.2. A model is `publisher/name`, such as
`meta/llama-4-scout-17b-16e-instruct-maas`; one without a publisher is Meta's.
"""

from __future__ import annotations

from puna.dialects.quirks import Quirks
from puna.providers.base import Provider
from puna.providers.host_settings import HostSetting

_HOW = (
    "`gcloud auth print-access-token` prints an access token, which is good for an hour; files of "
    "service accounts are not read"
)

PROVIDER = Provider(
    name="vertex_ai",
    base_url=(
        "https://{location}-aiplatform.googleapis.com/v1beta1/projects/{project}"
        "/locations/{location}/endpoints/openapi"
    ),
    docs_url="https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis",
    base_url_variables=("VERTEXAI_API_BASE",),
    # As Google's Terraform provider calls it.
    key_variables=("GOOGLE_OAUTH_ACCESS_TOKEN",),
    is_key_bound_to_host=True,
    model_prefix="meta/",
    settings=(
        HostSetting(
            name="project",
            keywords=("vertex_project", "vertex_ai_project"),
            variables=("VERTEXAI_PROJECT",),
            pattern=r"[a-z0-9][a-z0-9.:-]*",
            example="my-project-1",
        ),
        HostSetting(
            name="location",
            keywords=("vertex_location", "vertex_ai_location"),
            variables=("VERTEXAI_LOCATION", "VERTEX_LOCATION"),
            # A region: Llama is not served from the global address, which is built otherwise.
            pattern=r"[a-z]+-[a-z]+[0-9]+",
            example="us-central1",
        ),
    ),
    refused_settings={
        "vertex_ai_credentials": f"give `api_key`: {_HOW}",
        "vertex_credentials": f"give `api_key`: {_HOW}",
    },
    key_hint=_HOW,
    quirks=Quirks(lacks_embeddings=True),
)
