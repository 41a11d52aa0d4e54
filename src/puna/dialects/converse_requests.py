"""Builds the body of Converse and ConverseStream requests, which is the same for both.

Source: Amazon Bedrock API reference, "Converse", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.bridges.histories.rules import CONVERSE
from puna.bridges.omissions import Omissions
from puna.dialects.base import Target
from puna.dialects.converse_messages import build_turns, has_tool_blocks
from puna.dialects.request_rules import fit_chat, pop_stream_options
from puna.errors import APIError, BadRequestError
from puna.types.requests import ChatRequest

_INFERENCE: Mapping[str, str] = {
    "max_completion_tokens": "maxTokens",
    "max_tokens": "maxTokens",
    "stop": "stopSequences",
    "temperature": "temperature",
    "top_p": "topP",
}
_TOP_LEVEL = (
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
)
"""Converse's own fields, which pass as they are."""

_PLAIN: Mapping[str, Any] = {"n": 1, "response_format": {"type": "text"}}
"""What the host does anyway."""


def build_body(request: ChatRequest, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Build the JSON body as a dict. Returns it, and the names of what was left out.

    Parameters that neither OpenAI nor Converse knows go into `additionalModelRequestFields`.

    Raises:
        BadRequestError: the host, or the protocol, has no place for a part of the request.
    """
    request, params, left_out = fit_chat(request, target, CONVERSE)
    omissions = Omissions(may_drop=request.drop_params)
    for name in left_out:
        omissions.note(name)
    try:
        system, turns = build_turns(request.messages, omissions)
        tools = _build_tools(params, omissions, has_history=has_tool_blocks(turns))
    except APIError as error:
        error.provider, error.model = target.provider, request.model
        raise
    for name in pop_stream_options(params, request):
        omissions.note(name)
    params = {name: v for name, v in params.items() if name not in _PLAIN or v != _PLAIN[name]}
    body: dict[str, Any] = {"messages": turns}
    if system:
        body["system"] = system
    inference = {its: params.pop(name) for name, its in _INFERENCE.items() if name in params}
    if isinstance(inference.get("stopSequences"), str):
        inference["stopSequences"] = [inference["stopSequences"]]
    if inference:
        body["inferenceConfig"] = inference
    if tools is not None:
        body["toolConfig"] = tools
    body.update({name: params.pop(name) for name in _TOP_LEVEL if name in params})
    if params:
        own = body.get("additionalModelRequestFields")
        body["additionalModelRequestFields"] = {**_mapping(own), **params}
    return body, omissions.names


def _mapping(value: Any) -> Mapping[str, Any]:
    """Check the value of `additionalModelRequestFields`.

    Raises BadRequestError where it is no object.
    """
    if value is not None and not isinstance(value, Mapping):
        raise BadRequestError(
            "`additionalModelRequestFields` must be an object.",
            param="additionalModelRequestFields",
        )
    return cast("Mapping[str, Any]", value or {})


def _build_tools(
    params: dict[str, Any], omissions: Omissions, *, has_history: bool
) -> dict[str, Any] | None:
    """Remove the tools from the parameters and convert them.

    None where the model must not call any.

    Converse has no choice `none`, so the tools are left out instead, except where the messages hold
    calls: then the host requires the tools.
    """
    given = cast("list[Mapping[str, Any]]", params.pop("tools", []))
    choice = params.pop("tool_choice", None)
    if not given:
        if has_history:
            raise BadRequestError(
                "`tools` is missing: this host wants the tools of the calls in the messages.",
                param="tools",
            )
        return None
    if choice == "none" and not has_history:
        return None
    config: dict[str, Any] = {
        "tools": [_build_tool(tool, f"tools[{i}]", omissions) for i, tool in enumerate(given)]
    }
    if choice == "none":
        omissions.refuse(
            "tool_choice",
            "This host has no `tool_choice` of `none` where the messages hold tool calls.",
        )
    elif choice is not None:
        config["toolChoice"] = _build_choice(choice)
    return config


def _build_choice(choice: Any) -> dict[str, Any]:
    """Convert `tool_choice`. Raises BadRequestError for one that Converse does not have."""
    if isinstance(choice, Mapping):
        fields = cast("Mapping[str, Any]", choice)
        if fields.get("type", "function") != "function":
            raise BadRequestError(
                "`tool_choice` must be none, auto, required or a named function for this host.",
                param="tool_choice",
            )
        return {"tool": {"name": fields["function"]["name"]}}
    return {"any": {}} if choice == "required" else {"auto": {}}


def _build_tool(tool: Mapping[str, Any], path: str, omissions: Omissions) -> dict[str, Any]:
    """Convert a function to a `toolSpec`; fields that Converse does not have are noted."""
    if tool["type"] != "function":
        raise BadRequestError(
            f"`{path}` is a tool of the type `{tool['type']}`; this host knows functions.",
            param=path,
        )
    function = cast("Mapping[str, Any]", tool["function"])
    for name in sorted(tool.keys() - {"type", "function"}):
        omissions.note(f"tools[].{name}")
    for name in sorted(function.keys() - {"name", "description", "parameters"}):
        omissions.note(f"tools[].function.{name}")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    spec: dict[str, Any] = {"name": function["name"], "inputSchema": {"json": schema}}
    if function.get("description"):
        spec["description"] = function["description"]
    return {"toolSpec": spec}
