from __future__ import annotations

from typing import Any

import pytest

from puna.embedded.tool_choice import pick_tools, words

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "parameters": {"properties": {"location": {}, "unit": {}}},
}
CHART: dict[str, Any] = {
    "name": "create_chart",
    "description": "Create a chart with the provided data",
    "parameters": {"properties": {"chart_type": {}, "title": {}, "data": {}}},
}


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("What's the weather like in San Francisco?", "get_weather"),
        (
            "Create a chart showing the population growth of New York City from 2010 to 2020",
            "create_chart",
        ),
        ("I need two charts, please", "create_chart"),
    ],
)
def test_shared_words_choose_the_tool(message: str, name: str) -> None:
    assert [tool["name"] for tool in pick_tools(message, [WEATHER, CHART])] == [name]


@pytest.mark.parametrize(
    "message", ["Hello, how are you?", "Write a poem about the sea.", "Create a poem", "", "?!"]
)
def test_small_talk_chooses_none(message: str) -> None:
    assert pick_tools(message, [WEATHER, CHART]) == []


def test_equal_scores_leave_the_choice_to_the_model() -> None:
    assert len(pick_tools("weather chart", [WEATHER, CHART])) == 2


def test_words_lose_case_humps_and_plurals() -> None:
    assert words("getWeather Cities_and classes bus") == {"get", "weather", "city", "classe", "bus"}


def test_a_tool_without_parameters_is_scored_by_its_name() -> None:
    assert pick_tools("ping", [{"name": "ping"}]) == [{"name": "ping"}]


def test_no_tools_choose_none() -> None:
    assert pick_tools("weather", []) == []
