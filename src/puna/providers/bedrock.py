"""Amazon Bedrock, over Converse and ConverseStream.

Sources: the Bedrock API reference ("Converse", "ConverseStream") and user guide ("Supported models
and model features", "API keys"), read 2026-11-26; names as in LiteLLM 1.106.2. What Llama refuses
there, by the words of the host in bug reports: earendil-works/pi 3739 (tools in a stream),
run-llama/llama_index 19886 (`any`), maximhq/bifrost 3196 (a named tool).
"""

from __future__ import annotations

from dataclasses import replace

from puna.bridges.histories.rules import CONVERSE_MISTRAL
from puna.dialects.quirks import Quirks
from puna.providers.base import Provider
from puna.providers.host_settings import HostSetting, SigningRule

_REGION = HostSetting(
    name="region",
    keywords=("aws_region_name",),
    variables=("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
    pattern=r"[a-z]+(-[a-z0-9]+)+",
    example="us-east-1",
)
_EXPORT = (
    "give keys instead; `aws configure export-credentials --format env` prints those of a profile "
    "or a role"
)
_CONVERSE = Quirks(
    # Converse has no place for them.
    unsupported_params=frozenset(
        (
            *("audio", "frequency_penalty", "function_call", "functions", "logit_bias"),
            *("logprobs", "modalities", "parallel_tool_calls", "prediction", "presence_penalty"),
            *("reasoning_effort", "seed", "service_tier", "thinking", "top_logprobs"),
            *("verbosity", "web_search_options"),
        )
    ),
    ignored_params=frozenset(
        ("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "user")
    ),
    response_formats=frozenset(("text",)),
    max_choices=1,
    unsupported_message_fields=frozenset(("name",)),
    lacks_embeddings=True,
)

PROVIDER = Provider(
    name="bedrock",
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    docs_url="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    base_url_variables=("AWS_BEDROCK_RUNTIME_ENDPOINT",),
    key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
    is_key_bound_to_host=True,
    dialect="bedrock_converse",
    quirks=_CONVERSE,
    model_quirks={
        "mistral.": replace(_CONVERSE, messages=CONVERSE_MISTRAL),
        "meta.llama": replace(
            _CONVERSE,
            # The host tells Llama's callers to remove `toolChoice.any` and `toolChoice.tool`.
            tool_choices=frozenset(("auto", "none")),
            # "This model doesn't support tool use in streaming mode."
            lacks_tool_streaming=True,
        ),
    },
    optional_prefixes=("converse/",),
    settings=(_REGION,),
    signing=SigningRule(
        service="bedrock",
        region=_REGION,
        access_key_id=HostSetting(
            name="access key id",
            keywords=("aws_access_key_id",),
            variables=("AWS_ACCESS_KEY_ID",),
            pattern=r"[\x21-\x7e]+",
            example="AKIA…",
            is_secret=True,
        ),
        secret_access_key=HostSetting(
            name="secret access key",
            keywords=("aws_secret_access_key",),
            variables=("AWS_SECRET_ACCESS_KEY",),
            pattern=r"[\x21-\x7e]+",
            example="a line without spaces",
            is_secret=True,
        ),
        session_token=HostSetting(
            name="session token",
            keywords=("aws_session_token",),
            variables=("AWS_SESSION_TOKEN",),
            pattern=r"[\x21-\x7e]+",
            example="a line without spaces",
            is_secret=True,
        ),
    ),
    refused_settings={
        "aws_external_id": _EXPORT,
        "aws_profile_name": _EXPORT,
        "aws_role_name": _EXPORT,
        "aws_session_name": _EXPORT,
        "aws_sts_endpoint": _EXPORT,
        "aws_web_identity_token": _EXPORT,
    },
    key_hint=(
        "profiles, roles and the identity of a machine are not read: "
        "`aws configure export-credentials --format env` prints their keys"
    ),
)
