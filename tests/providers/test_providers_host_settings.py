"""What hosts want to be told beside an address and a key: regions, projects, keys that sign."""

from __future__ import annotations

from typing import Any

import pytest

from puna.config.litellm_keys import PARAMS
from puna.dialects.base import Target
from puna.errors import AuthenticationError, BadRequestError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS, split_model
from puna.types.option_scopes import HOST_SETTINGS, LOGINS
from puna.types.secret import Secret
from puna.wire.sigv4 import Signing

BEDROCK, VERTEX = PROVIDERS["bedrock"], PROVIDERS["vertex_ai"]
REGION = {"AWS_REGION": "us-east-1"}
PAIR = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "canary-env"}
BEARER = {"AWS_BEARER_TOKEN_BEDROCK": "canary-bearer"}
GIVEN = {"aws_access_key_id": "AKIAGIVEN", "aws_secret_access_key": "canary-given"}
PLACE = {"VERTEXAI_PROJECT": "p-1", "VERTEXAI_LOCATION": "us-east5"}
OWN = "https://bedrock-runtime.us-east-1.amazonaws.com"


def resolve(
    environ: dict[str, str], settings: dict[str, str] | None = None, **arguments: Any
) -> Target:
    told = {name: Secret(value) for name, value in (settings or {}).items()}
    return resolve_target(BEDROCK, "m", environ, settings=told, **arguments)


def ways_of(target: Target) -> tuple[str | None, str | None]:
    """The bearer token, and who signs."""
    key, signing = target.api_key, target.signing
    return (
        key.reveal() if key is not None else None,
        signing.access_key_id.reveal() if signing is not None else None,
    )


@pytest.mark.parametrize(
    ("environ", "settings", "region"),
    [
        (REGION, {}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, {}, "eu-west-3"),
        ({**REGION, "AWS_REGION_NAME": "us-gov-west-1"}, {}, "us-gov-west-1"),
        (REGION, {"aws_region_name": " ap-south-1 "}, "ap-south-1"),
    ],
)
def test_a_region_stands_in_the_address_and_in_the_signature(
    environ: dict[str, str], settings: dict[str, str], region: str
) -> None:
    target = resolve({**environ, **PAIR}, settings)
    assert target.base_url == f"https://bedrock-runtime.{region}.amazonaws.com"
    assert target.signing == Signing(Secret("AKIAENV"), Secret("canary-env"), region, "bedrock")


@pytest.mark.parametrize("value", ["us-east-1.evil.test/", "x", "us east", "us-east-1@h"])
def test_a_region_cannot_be_another_host(value: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        resolve({"AWS_REGION": value, **PAIR})
    assert raised.value.param == "AWS_REGION"
    assert "us-east-1" in str(raised.value)
    with pytest.raises(BadRequestError) as raised:
        resolve(PAIR, {"aws_region_name": value})
    assert raised.value.param == "aws_region_name"


def test_a_missing_region_is_told_by_its_names() -> None:
    with pytest.raises(BadRequestError) as raised:
        resolve(PAIR)
    assert (raised.value.provider, raised.value.param) == ("bedrock", "aws_region_name")
    assert "`AWS_REGION_NAME`" in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "settings", "key", "ways"),
    [
        (PAIR, {}, None, (None, "AKIAENV")),
        (BEARER, {}, None, ("canary-bearer", None)),
        ({**PAIR, **BEARER}, {}, None, ("canary-bearer", None)),
        ({**PAIR, **BEARER}, GIVEN, None, (None, "AKIAGIVEN")),
        ({**PAIR, **BEARER}, {}, "canary-arg", ("canary-arg", None)),
    ],
)
def test_what_a_call_gives_beats_the_environment_and_there_a_bearer_token_comes_first(
    environ: dict[str, str],
    settings: dict[str, str],
    key: str | None,
    ways: tuple[str | None, str | None],
) -> None:
    secret = Secret(key) if key is not None else None
    assert ways_of(resolve({**REGION, **environ}, settings, api_key=secret)) == ways


def test_a_session_has_its_token_and_keys_are_never_mixed() -> None:
    session = {**PAIR, "AWS_SESSION_TOKEN": "canary-session"}
    signing = resolve({**REGION, **session}).signing
    assert signing is not None
    assert signing.session_token == Secret("canary-session")
    signing = resolve({**REGION, **session}, GIVEN).signing
    assert signing is not None
    assert signing.session_token is None
    for half in GIVEN.items():
        with pytest.raises(AuthenticationError) as raised:
            resolve({**REGION, **session}, dict([half]))
        assert "Half of a pair" in str(raised.value)


def test_a_key_and_a_pair_of_keys_are_one_too_many() -> None:
    with pytest.raises(BadRequestError) as raised:
        resolve(REGION, GIVEN, api_key=Secret("k"))
    assert raised.value.param == "api_key"


def test_keys_of_the_environment_never_go_to_an_address_that_a_call_names() -> None:
    everything = {**REGION, **PAIR, **BEARER}
    assert ways_of(resolve(everything, api_base="http://h.test")) == (None, None)
    assert ways_of(resolve(everything, GIVEN, api_base="http://h.test")) == (None, "AKIAGIVEN")
    endpoint = {**everything, "AWS_BEDROCK_RUNTIME_ENDPOINT": "https://vpce-1.test"}
    assert resolve(endpoint).base_url == "https://vpce-1.test"
    assert ways_of(resolve(endpoint)) == ("canary-bearer", None)
    assert ways_of(resolve(everything, api_base=OWN + "/")) == ("canary-bearer", None)
    # Whoever is asked elsewhere, and unsigned, needs no region.
    assert resolve({}, api_base="http://h.test").signing is None


def test_no_key_at_all_is_told_by_every_way_to_give_one() -> None:
    with pytest.raises(AuthenticationError) as raised:
        resolve(REGION)
    for word in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_SECRET_ACCESS_KEY", "export-credentials"):
        assert word in str(raised.value)
    assert raised.value.code == "missing_api_key"


@pytest.mark.parametrize("name", sorted(BEDROCK.refused_settings))
def test_a_way_to_log_in_that_is_not_built_is_refused(name: str) -> None:
    with pytest.raises(AuthenticationError) as raised:
        resolve({**REGION, **PAIR}, {name: "canary-7f3a91"})
    assert raised.value.param == name
    assert "export-credentials" in str(raised.value)
    assert "canary" not in str(raised.value)


def test_a_setting_of_another_host_is_refused() -> None:
    with pytest.raises(BadRequestError) as raised:
        resolve({**REGION, **PAIR}, {"vertex_project": "p"})
    assert raised.value.param == "vertex_project"
    told = {"aws_region_name": Secret("us-east-1")}
    with pytest.raises(BadRequestError) as raised:
        resolve_target(PROVIDERS["groq"], "m", {}, api_key=Secret("k"), settings=told)
    assert raised.value.param == "aws_region_name"


def test_no_secret_shows_in_an_error_about_its_form() -> None:
    for name in GIVEN:
        with pytest.raises(BadRequestError) as raised:
            resolve(REGION, {**GIVEN, name: "canary 7f3a91"})
        assert raised.value.param == name
        assert "canary" not in str(raised.value)


def test_a_model_of_llama_has_the_rules_of_llama_by_whatever_name() -> None:
    names = (
        "meta.llama3-3-70b-instruct-v1:0",
        "us.meta.llama4-scout-17b-instruct-v1:0",
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3-3-70b-instruct-v1:0",
    )
    for name in names:
        row, upstream = split_model(f"bedrock/converse/{name}")
        target = resolve_target(row, upstream, {**REGION, **PAIR})
        assert target.model == name
        assert target.quirks.lacks_tool_streaming
    assert not resolve({**REGION, **PAIR}).quirks.lacks_tool_streaming
    with pytest.raises(BadRequestError, match="names no model"):
        split_model("bedrock/converse/")


def test_vertex_has_a_project_and_a_location_in_its_address() -> None:
    row, name = split_model("vertex_ai/llama-3.3-70b-instruct-maas")
    target = resolve_target(row, name, {**PLACE, "GOOGLE_OAUTH_ACCESS_TOKEN": "canary"})
    assert target.model == "meta/llama-3.3-70b-instruct-maas"
    assert target.base_url == (
        "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/p-1/locations/us-east5"
        "/endpoints/openapi"
    )
    assert target.api_key == Secret("canary")
    told = {"vertex_ai_project": Secret("p-2"), "vertex_location": Secret("us-central1")}
    moved = resolve_target(row, name, PLACE, api_key=Secret("k"), settings=told)
    assert moved.base_url.startswith("https://us-central1-aiplatform.googleapis.com/v1beta1/")
    assert "/projects/p-2/" in moved.base_url


@pytest.mark.parametrize(
    ("environ", "settings", "says"),
    [
        (PLACE, {}, "gcloud auth print-access-token"),
        (PLACE, {"vertex_credentials": "canary"}, "gcloud auth print-access-token"),
        ({"VERTEXAI_PROJECT": "p"}, {}, "VERTEXAI_LOCATION"),
        ({**PLACE, "VERTEXAI_LOCATION": "global"}, {}, "us-central1"),
        ({**PLACE, "VERTEXAI_PROJECT": "p/../q"}, {}, "my-project-1"),
    ],
)
def test_what_vertex_lacks_is_told(
    environ: dict[str, str], settings: dict[str, str], says: str
) -> None:
    told = {name: Secret(value) for name, value in settings.items()}
    with pytest.raises((AuthenticationError, BadRequestError)) as raised:
        resolve_target(VERTEX, "m", environ, settings=told)
    assert says in str(raised.value)
    assert "canary" not in str(raised.value)


def test_calls_and_configs_know_the_settings_of_all_rows_and_no_others() -> None:
    told: set[str] = set()
    refused: set[str] = set()
    for row in PROVIDERS.values():
        keys = row.signing.keys if row.signing is not None else ()
        told |= {word for setting in (*row.settings, *keys) for word in setting.keywords}
        refused |= set(row.refused_settings)
    assert told == HOST_SETTINGS
    assert refused == LOGINS
    assert PARAMS.supported.keys() > HOST_SETTINGS
