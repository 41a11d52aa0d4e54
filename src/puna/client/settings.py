"""What a client is made with, and the parts that both clients share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from puna.dialects.quirks import Quirks
from puna.errors import BadRequestError
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS
from puna.routing.attempts import Plan
from puna.routing.health import CooldownPolicy
from puna.telemetry.events import Hook
from puna.transports.tls import TLSConfig


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings of a client; a call's own keywords win over them.

    Attributes:
        environ: where keys and base URLs are looked up, at each call.
        providers: the known rows.
        timeout_s: for a whole answer; for a stream until its first chunk and between chunks.
        max_retries: further requests after the first, for failures worth another try.
        drop_params: leave out what a host cannot do instead of refusing.
        rescue_tool_calls: turn calls that a model wrote as text into tool calls.
        repair_tool_arguments: make the arguments of such calls fit their tool's schema.
        emulate_response_format: hold answers to a `response_format` that their host does not know.
        read_think_tags: make thoughts of `<think>` at the beginning of an answer's text; None does
            it for responses only.
        format_retries: how often another answer is asked for then.
        strict_tools: refuse tools of a response that no host runs over chat, such as `web_search`,
            instead of leaving them out.
        hooks: called at the end of every call.
        tls: which certificates are trusted.
        cooldown: when a failing deployment is not asked for a while.
        routes: model names that stand for deployments of the client's own.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    providers: Mapping[str, Provider] = field(default_factory=lambda: PROVIDERS)
    timeout_s: float | None = 600.0
    max_retries: int = 2
    drop_params: bool = False
    rescue_tool_calls: bool = True
    repair_tool_arguments: bool = False
    emulate_response_format: bool = False
    read_think_tags: bool | None = None
    format_retries: int = 2
    strict_tools: bool = False
    hooks: Sequence[Hook] = ()
    tls: TLSConfig = TLSConfig()
    cooldown: CooldownPolicy = CooldownPolicy()
    routes: Mapping[str, Plan] = field(default_factory=dict[str, Plan])

    def with_provider(self, name: str, base_url: str, key_variable: str) -> Mapping[str, Provider]:
        """The known providers and one more: an OpenAI-compatible host under a name of its own.

        Used to make other settings. `key_variable` is the environment variable that holds its key.
        """
        row = Provider(
            name=name,
            base_url=base_url.rstrip("/"),
            docs_url="",
            key_variables=(key_variable,),
            is_key_bound_to_host=True,
            quirks=Quirks(),
        )
        return {**self.providers, name: row}


def tls_from(ssl_verify: object, environ: Mapping[str, str]) -> TLSConfig:
    """Convert `ssl_verify` as LiteLLM spells it: True, False, a CA file, or None for `SSL_VERIFY`.

    `SSL_CERT_FILE` names a CA file when nothing else does.
    """
    wish = ssl_verify
    if wish is None:
        wish = environ.get("SSL_VERIFY", "").strip() or None
    if isinstance(wish, str) and wish.lower() in ("true", "false", "0", "1"):
        wish = wish.lower() in ("true", "1")
    if wish is False:
        return TLSConfig(is_verified=False)
    if isinstance(wish, str):
        return TLSConfig(ca_file=wish)
    if wish not in (None, True):
        raise BadRequestError("`ssl_verify` must be true, false or a CA file.", param="ssl_verify")
    return TLSConfig(ca_file=environ.get("SSL_CERT_FILE", "").strip() or None)
