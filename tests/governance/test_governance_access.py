"""What a key may be used for: models by name, wildcard and group; paths; networks."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import PermissionDeniedError
from puna.governance.access import Access, ModelNames

NAMES = ModelNames({"nick": "m", "far": "z"}, {"beta": ("m", "n"), "all": ("llama/*",)})


@pytest.mark.parametrize(
    ("listed", "allowed", "others"),
    [
        (("m",), ("m", "nick"), ("n", "far", "M", "mm", "")),
        (("llama/*",), ("llama/3", "llama/a/b"), ("llama", "llama/", "x-llama/3")),
        (("*-small",), ("a-small",), ("-small", "a-small-b")),
        (("beta",), ("m", "n", "nick"), ("beta", "o")),
        (("all", "o"), ("llama/3", "o"), ("m",)),
        (("nick",), ("nick",), ("m",)),
        (("no-default-models",), (), ("m", "no-default-models", "nick")),
    ],
)
def test_a_list_has_names_wildcards_groups_and_the_aliases_of_what_it_has(
    listed: tuple[str, ...], allowed: tuple[str, ...], others: tuple[str, ...]
) -> None:
    made = NAMES.list_for("key", listed)
    assert made is not None
    assert [one for one in allowed if not made.allows(one)] == []
    assert [one for one in others if made.allows(one)] == []


@pytest.mark.parametrize("listed", [(), ("*",), ("all-proxy-models",), ("m", "all-team-models")])
def test_an_empty_list_and_litellms_names_for_all_limit_nothing(listed: tuple[str, ...]) -> None:
    assert NAMES.list_for("key", listed) is None


def access(*lists: tuple[str, tuple[str, ...]], **aliases: str) -> Access:
    made = (NAMES.list_for(owner, names) for owner, names in lists)
    return Access(tuple(one for one in made if one is not None), aliases=aliases)


def test_a_model_must_be_in_every_list_and_the_error_says_in_which_it_is_not() -> None:
    both = access(("key", ("m", "n")), ("team", ("n", "o")))
    both.check_model("n")
    for name, code, words in (
        ("o", "key_model_access_denied", "This key may not use the model `o`; it may use `m`, `n`"),
        ("m", "team_model_access_denied", "The team of this key may not use the model `m`"),
    ):
        assert not both.allows_model(name)
        with pytest.raises(PermissionDeniedError) as caught:
            both.check_model(name)
        assert caught.value.status_code == 403
        assert caught.value.code == code
        assert caught.value.param == "model"
        assert words in str(caught.value)


def test_an_alias_of_the_key_is_allowed_where_its_target_is() -> None:
    one = access(("key", ("m",)), small="m", large="o")
    assert one.allows_model("small")
    assert not one.passes("small")  # it must be written anew
    assert one.passes("m")
    assert not one.allows_model("large")


@given(st.lists(st.sampled_from(["m", "n", "llama/*", "beta", "nick", "*-x"])), st.text())
def test_what_passes_unchanged_is_allowed(listed: list[str], name: str) -> None:
    one = access(("key", tuple(listed)), alias="m")
    if one.passes(name):
        assert one.allows_model(name)
        one.check_model(name)


@pytest.mark.parametrize(
    ("routes", "allowed", "others"),
    [
        (("llm_api_routes",), ("/v1/chat/completions", "/models"), ("/key/generate",)),
        (("management_routes",), ("/key/generate", "/team/new"), ("/v1/chat/completions",)),
        (("info_routes",), ("/key/list", "/v1/models", "/team/info"), ("/key/generate",)),
        (("/chat/completions",), ("/v1/chat/completions", "/chat/completions"), ("/v1/models",)),
        (("/v1/responses*",), ("/responses/resp_1", "/v1/responses/r/input_items"), ("/models",)),
    ],
)
def test_paths_are_allowed_by_group_name_and_wildcard_with_and_without_version(
    routes: tuple[str, ...], allowed: tuple[str, ...], others: tuple[str, ...]
) -> None:
    one = Access(routes=routes)
    for path in (*allowed, "/key/info"):  # what is stored about itself, each key may read
        one.check_request(path, None)
        assert one.allows_route(path)
    for path in others:
        with pytest.raises(PermissionDeniedError) as caught:
            one.check_request(path, None)
        assert caught.value.code == "route_not_allowed"
        assert not one.allows_route(path)


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("11.1.2.3", False),
        ("2001:db9::1", False),
        ("", False),
        (None, False),
        ("testclient", False),
    ],
)
def test_a_key_is_used_from_its_networks_only(address: str | None, is_allowed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    one = Access(networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
    if is_allowed:
        one.check_request("/v1/models", address)
        return
    with pytest.raises(PermissionDeniedError) as caught:
        one.check_request("/v1/models", address)
    assert caught.value.code == "ip_not_allowed"


def test_an_access_without_limits_is_none() -> None:
    assert not Access()
    assert Access(aliases={"a": "b"})
    assert Access(routes=("/x",))
