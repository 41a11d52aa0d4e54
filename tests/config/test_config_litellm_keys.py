"""Keys of LiteLLM's config.yaml: each is read, or named as one that has no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.litellm_configs import CANARY, ONE, parse, with_params

from puna.config.litellm_keys import SECTIONS

# Notices


@pytest.mark.case(164)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "router_settings:\n  num_retris: 3\n",
            "unknown key `num_retris` in router_settings (line 6): did you mean `num_retries`?",
        ),
        (
            "litellm_settings:\n  qqqqqq: 3\n",
            "unknown key `qqqqqq` in litellm_settings (line 6): ignored",
        ),
        ("litelm_settings:\n", "unknown key `litelm_settings` (line 5): did you mean"),
        ("include: [a.yaml]\n", "`include` is known to LiteLLM, not supported by Puna yet"),
        (
            "general_settings: {database_type: x}\n",
            "`database_type` in general_settings is known to LiteLLM, not supported by Puna yet",
        ),
        (
            "general_settings: {cancel_on_disconnect: true}\n",
            "`cancel_on_disconnect` in general_settings changes nothing",
        ),
        ("router_settings: {fallbacks: [{m: [n]}]}\n", "the list of `m` in `fallbacks` names"),
        ("litellm_settings: {default_fallbacks: [n]}\n", "`default_fallbacks` names the model `n`"),
        ("router_settings: {model_group_alias: {a: n}}\n", "the alias `a` names the model `n`"),
    ],
)
def test_what_puna_does_not_do_is_said(text: str, expected: str) -> None:
    (notice,) = parse(ONE + text).notices
    assert notice.message.startswith(expected)
    assert notice.line in (5, 6)
    assert notice.severity == ("info" if "changes nothing" in expected else "warning")


@pytest.mark.case(164)
@pytest.mark.parametrize(
    ("line", "expected", "is_sent"),
    [
        ("api_kye: sk-canary-7f3a91", "did you mean `api_key`? It is ignored", False),
        ("stream_timout: 4", "did you mean `stream_timeout`? It is ignored", False),
        ("temprature: 0.3", "did you mean `temperature`?", True),
        ("watsonx_token: sk-canary-7f3a91", "not supported by Puna yet: ignored", False),
        ("aws_acess_key_id: sk-canary-7f3a91", "not supported by Puna yet: ignored", False),
        ("organization: org", "not supported by Puna yet: ignored", False),
        ("x_secret_y: sk-canary-7f3a91", "looks like a secret", False),
    ],
)
def test_a_slip_in_litellm_params_is_said_and_no_secret_is_sent(
    line: str, expected: str, *, is_sent: bool
) -> None:
    config = parse(with_params(line))
    (notice,) = config.notices
    assert expected in notice.message
    assert notice.line == 5
    assert bool(config.deployments[0].params) is is_sent
    assert CANARY not in repr(config)


def test_request_parameters_of_other_servers_pass_without_a_word() -> None:
    text = with_params("top_k: 4\nmin_p: 0.1\nextra_body: {a: 1}\nlogit_bias: {'1': 2}\nzzz: 1")
    config = parse(text)
    assert set(config.deployments[0].params) == {
        "top_k",
        "min_p",
        "extra_body",
        "logit_bias",
        "zzz",
    }
    assert config.notices == ()


# The guide


def test_the_guide_names_every_key_and_what_it_does() -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "litellm-config.md"
    rows = set(guide.read_text(encoding="utf-8").splitlines())
    missing = [row for row in guide_rows() if row not in rows]
    assert missing == []


def guide_rows() -> list[str]:
    """The lines that the guide must hold."""
    rows: list[str] = []
    for keys in SECTIONS.values():
        rows += [f"| `{key}` | {text} |" for key, text in keys.supported.items()]
        rows += [f"| `{key}` | no effect: {text} |" for key, text in keys.always.items()]
        rows += [", ".join(f"`{key}`" for key in sorted(keys.planned))] if keys.planned else []
    return rows


def test_no_key_stands_in_two_lists() -> None:
    found: dict[str, Any] = {}
    for section, keys in SECTIONS.items():
        total = len(keys.supported) + len(keys.always) + len(keys.planned)
        if len(keys.known) != total:
            found[section] = keys
    assert found == {}
