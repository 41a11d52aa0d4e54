"""Why a deployment cannot be used, in one sentence."""

from __future__ import annotations

from puna.config.schema import DeploymentConfig
from puna.config.usable import why_unusable


def test_a_deployment_with_its_key_or_without_need_of_one_can_be_used() -> None:
    assert why_unusable(DeploymentConfig("m", "groq/x")) is None


def test_a_key_whose_variable_is_not_set_is_told_by_both_names() -> None:
    deployment = DeploymentConfig("m", "groq/x", missing_variable="GROQ_API_KEY")
    reason = why_unusable(deployment)
    assert reason is not None
    assert "model `m` cannot be used" in reason
    assert "`GROQ_API_KEY`, which is not set" in reason
    assert why_unusable(deployment, may_lack_key=True) is None


def test_what_the_file_says_wrong_comes_first() -> None:
    deployment = DeploymentConfig("m", "groq/x", missing_variable="K", problem="it is broken")
    assert why_unusable(deployment) == why_unusable(deployment, may_lack_key=True) == "it is broken"
