"""Who serves a name, and which names there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.config.matching import expand_names, find_deployments, match_name, substitute
from puna.config.schema import DeploymentConfig, GatewayConfig, RouterConfig

WORDS = st.text(st.sampled_from("ab/-."), max_size=6)
PATTERNS = st.builds(lambda prefix, suffix: f"{prefix}*{suffix}", WORDS, WORDS)


def deployment(name: str, model: str | None = None) -> DeploymentConfig:
    return DeploymentConfig(public_name=name, model=model or name)


def models(found: tuple[DeploymentConfig, ...]) -> list[str]:
    return [one.model for one in found]


@pytest.mark.case(162)
@pytest.mark.parametrize(
    ("pattern", "name", "captured"),
    [
        ("meta_llama/*", "meta_llama/Llama-4", "Llama-4"),
        ("meta_llama/*", "meta_llama/", None),
        ("meta_llama/*", "openai/gpt", None),
        ("fast-*-chat", "fast-70B-chat", "70B"),
        ("fast-*-chat", "fast-chat", None),
        ("aba*aba", "ababa", None),
        ("*", "anything/at/all", "anything/at/all"),
        ("*", "", None),
        ("exact", "exact", ""),
        ("exact", "other", None),
        ("a.b/*", "axb/c", None),
        ("a/*", "x/a/b", None),
    ],
)
def test_a_star_stands_for_one_or_more_characters(
    pattern: str, name: str, captured: str | None
) -> None:
    assert match_name(pattern, name) == captured


@given(PATTERNS, WORDS)
def test_what_is_caught_put_back_gives_the_name(pattern: str, name: str) -> None:
    captured = match_name(pattern, name)
    if captured is not None:
        assert captured
        assert substitute(pattern, captured) == name


@given(PATTERNS, st.text(st.sampled_from("ab/-."), min_size=1, max_size=6))
def test_what_is_put_in_is_caught_again(pattern: str, captured: str) -> None:
    assert match_name(pattern, substitute(pattern, captured)) == captured


@pytest.mark.case(162)
def test_exact_beats_alias_beats_wildcard() -> None:
    deployments = (
        deployment("*", "a/*"),
        deployment("fast", "b/exact"),
        deployment("slow", "b/slow"),
    )
    aliases = {"fast": "slow", "quick": "slow"}
    assert models(find_deployments(deployments, "fast", aliases)) == ["b/exact"]
    assert models(find_deployments(deployments, "quick", aliases)) == ["b/slow"]
    assert models(find_deployments(deployments, "new", aliases)) == ["a/new"]


@pytest.mark.case(162)
def test_the_wildcard_with_the_most_literal_characters_wins() -> None:
    deployments = (
        deployment("*", "any/*"),
        deployment("meta_llama/*", "wide/*"),
        deployment("meta_llama/Llama-3*", "narrow/*"),
        deployment("meta_llama/Llama-3*", "second/*"),
    )
    found = find_deployments(deployments, "meta_llama/Llama-3.3", {})
    assert models(found) == ["narrow/.3", "second/.3"]
    assert models(find_deployments(deployments, "meta_llama/Llama-4", {})) == ["wide/Llama-4"]
    assert models(find_deployments(deployments, "x", {})) == ["any/x"]
    longer_before_the_star = (deployment("*bb", "after/*"), deployment("aa*", "before/*"))
    assert models(find_deployments(longer_before_the_star, "aabb", {})) == ["before/bb"]


def test_a_fixed_model_behind_a_wildcard_serves_every_name() -> None:
    found = find_deployments((deployment("*", "embedded/smollm2-135m"),), "gpt-4o", {})
    assert models(found) == ["embedded/smollm2-135m"]


def test_all_deployments_of_a_name_are_found_in_their_order() -> None:
    deployments = (deployment("m", "a/1"), deployment("n", "a/2"), deployment("m", "a/3"))
    assert models(find_deployments(deployments, "m", {})) == ["a/1", "a/3"]


def test_an_alias_leads_to_a_wildcard_but_not_to_another_alias() -> None:
    deployments = (deployment("meta_llama/*", "meta_llama/*"),)
    aliases = {"best": "meta_llama/Llama-4", "top": "best"}
    assert models(find_deployments(deployments, "best", aliases)) == ["meta_llama/Llama-4"]
    assert find_deployments(deployments, "top", aliases) == ()


def test_a_name_with_a_star_or_unknown_is_nobodys() -> None:
    deployments = (deployment("meta_llama/*"), deployment("a"))
    assert find_deployments(deployments, "meta_llama/*", {}) == ()
    assert find_deployments(deployments, "b", {}) == ()


@pytest.mark.case(118, 162)
def test_listing_gives_exact_names_aliases_and_what_wildcards_reach() -> None:
    config = GatewayConfig(
        deployments=(
            deployment("meta_llama/*", "meta_llama/*"),
            deployment("fast", "meta_llama/B"),
            deployment("fast", "meta_llama/A"),
            deployment("my-*", "meta_llama/*"),
            deployment("any-*", "meta_llama/A"),
        ),
        router=RouterConfig(
            model_group_alias={"gpt-4": "fast", "secret": "fast"}, hidden_aliases=("secret",)
        ),
    )
    known = ["meta_llama/A", "openai/C"]
    assert expand_names(config, known) == ("fast", "gpt-4", "meta_llama/A", "my-A")


def test_a_lone_star_lists_every_known_model() -> None:
    config = GatewayConfig(deployments=(deployment("*", "*"),))
    assert expand_names(config, iter(["a/1", "b/2"])) == ("a/1", "b/2")
