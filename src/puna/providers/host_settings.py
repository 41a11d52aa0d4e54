"""Settings that a host requires beside an address and a key: a region, a project, signing keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from puna.errors import UNTOLD, AuthenticationError, BadRequestError
from puna.types.display import display
from puna.types.secret import Secret
from puna.wire.sigv4 import Signing


@dataclass(frozen=True, slots=True)
class HostSetting:
    """One setting that a host requires.

    Attributes:
        name: what it is; `{name}` in the row's address is replaced by it.
        keywords: its names in a call and in `litellm_params`; the first one that is given counts.
        variables: environment variables; the first one that is set counts.
        pattern: the regular expression that the whole value must match.
        example: a value, for errors and docs.
        is_secret: whether errors must not show it.
    """

    name: str
    keywords: tuple[str, ...]
    variables: tuple[str, ...]
    pattern: str
    example: str
    is_secret: bool = False

    def find(self, given: Mapping[str, Secret], environ: Mapping[str, str]) -> str | None:
        """The value from `given`, else from the environment; None where neither has it.

        Raises:
            BadRequestError: it does not match the pattern.
        """
        named = [(word, given[word].reveal()) for word in self.keywords if word in given]
        named += [(name, environ.get(name, "")) for name in self.variables]
        for source, text in named:
            value = text.strip()
            if not value:
                continue
            if re.fullmatch(self.pattern, value):
                return value
            what = "what it is" if self.is_secret else f"`{display(value)}`"
            raise BadRequestError(
                f"`{source}` must look like `{self.example}`, not like {what}.", param=source
            )
        return None

    def require(self, given: Mapping[str, Secret], environ: Mapping[str, str]) -> str:
        """Like `find`, for a setting without which the host cannot be asked.

        Raises:
            BadRequestError: it is not given anywhere, or does not match the pattern.
        """
        value = self.find(given, environ)
        if value is None:
            raise BadRequestError(
                f"No {self.name} is known, such as `{self.example}`: {self.how_to_set}.",
                param=self.keywords[0],
                code=UNTOLD,
            )
        return value

    @property
    def how_to_set(self) -> str:
        """The keyword and the variable that set it, as text for an error."""
        return f"give `{self.keywords[0]}` or set `{self.variables[0]}`"


@dataclass(frozen=True, slots=True)
class SigningRule:
    """How requests to a host are signed, with AWS Signature Version 4.

    The credentials are taken all from the call or config, or all from the environment: they are
    never mixed.
    """

    service: str
    region: HostSetting
    access_key_id: HostSetting
    secret_access_key: HostSetting
    session_token: HostSetting

    @property
    def keys(self) -> tuple[HostSetting, HostSetting, HostSetting]:
        """The settings that are credentials."""
        return self.access_key_id, self.secret_access_key, self.session_token

    def is_given(self, given: Mapping[str, Secret]) -> bool:
        """Whether a call or a config gives any of the credentials."""
        return any(word in given for setting in self.keys for word in setting.keywords)

    def read(
        self, given: Mapping[str, Secret], environ: Mapping[str, str], keys: Mapping[str, str]
    ) -> Signing | None:
        """The credentials and the scope to sign with.

        From `given`, else from `keys`, an environment.

        Raises:
            AuthenticationError: only half of a pair is there.
            BadRequestError: there is no region, or a value does not match its pattern.
        """
        source = {} if self.is_given(given) else keys
        key_id, secret, token = (setting.find(given, source) for setting in self.keys)
        if key_id is None and secret is None:
            return None
        if key_id is None or secret is None:
            missing = self.secret_access_key if secret is None else self.access_key_id
            raise AuthenticationError(
                f"Half of a pair of keys: {missing.how_to_set}. Nothing was sent.",
                code="missing_api_key",
                fault="operator",
            )
        return Signing(
            access_key_id=Secret(key_id),
            secret_access_key=Secret(secret),
            session_token=Secret(token) if token is not None else None,
            region=self.region.require(given, environ),
            service=self.service,
        )


def check_known(
    provider: str,
    given: Mapping[str, Secret],
    known: Iterable[HostSetting],
    refused: Mapping[str, str],
) -> None:
    """Refuse settings that the host does not have.

    Raises:
        AuthenticationError: it is a way to log in that is not built.
        BadRequestError: it is no setting of this host.
    """
    if not given:
        return
    words = {word for setting in known for word in setting.keywords}
    for word in given:
        if word in refused:
            raise AuthenticationError(
                f"`{word}` is not supported: {refused[word]}. Nothing was sent.",
                code="unsupported_credentials",
                param=word,
                provider=provider,
                fault="operator",
            )
        if word not in words:
            raise BadRequestError(
                f"`{word}` is no setting of {provider}: remove it.", param=word, provider=provider
            )
