"""`/key/…`: LiteLLM's admin API for virtual keys, with its fields and answers."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import House
from tests.support.governed import MASTER, GovernedHouse
from typing_extensions import override

from puna.errors import ServiceUnavailableError
from puna.governance.budgets import Budget
from puna.governance.store.accounts import AccountStore, Changes
from puna.governance.windows import Window


@pytest.fixture
def house(tmp_path: Path) -> GovernedHouse:
    return GovernedHouse(tmp_path)


def test_a_new_key_is_shown_once_and_can_be_used_at_once(house: GovernedHouse) -> None:
    made = house.done(
        "/key/generate",
        {
            "models": ["m"],
            "duration": "20m",
            "metadata": {"user": "ishaan@berri.ai"},
            "team_id": "core-infra",
            "max_budget": 10,
            "key_alias": "first",
        },
    )
    key = made["key"]
    assert key.startswith("sk-")
    assert made["token"] == made["token_id"] == sha256(key.encode()).hexdigest()
    assert made["key_name"] == f"sk-...{key[-4:]}"
    assert made["expires"] == "2025-06-15T15:26:40+00:00"
    assert made["max_budget"] == 10.0
    assert made["spend"] == 0.0
    assert made["created_by"] == "master"
    assert made["duration"] == "20m"
    assert house.chat(key).status == 200
    info = house.done(f"/key/info?key={key}")
    assert info["key"] == key
    assert info["info"]["models"] == ["m"]
    assert info["info"]["metadata"] == {"user": "ishaan@berri.ai"}
    assert info["info"]["status"] == "active"
    by_hash = house.done(f"/key/info?key={made['token']}")
    assert by_hash["info"] == info["info"]
    assert key not in str(info["info"])


def test_a_key_of_ones_own_has_the_form_of_keys(house: GovernedHouse) -> None:
    assert house.done("/key/generate", {"key": "sk-my-own-key-1234"})["key"] == "sk-my-own-key-1234"
    assert house.chat("sk-my-own-key-1234").status == 200
    again = house.admin("/key/generate", {"key": "sk-my-own-key-1234"})
    assert again.status == 409
    assert "sk-my-own" not in again.text
    for wrong in ("my-own-key-1234567", "sk-short", "sk-with spaces in it", "sk-" + "é" * 20):
        answer = house.admin("/key/generate", {"key": wrong})
        assert answer.status == 400
        assert answer.error["param"] == "key"
        assert wrong not in answer.text


def test_a_key_that_is_blocked_expired_or_deleted_is_refused(house: GovernedHouse) -> None:
    key = house.make_key(duration="1h")
    assert house.done("/key/block", {"key": key})["blocked"] is True
    refused = house.chat(key)
    assert refused.status == 401
    assert refused.error["code"] == "key_blocked"
    assert house.done(f"/key/info?key={key}")["info"]["status"] == "revoked"
    assert house.done("/key/unblock", {"key": key})["blocked"] is False
    assert house.chat(key).status == 200
    house.clock.pass_time(3_599)
    assert house.chat(key).status == 200
    house.clock.pass_time(1)
    refused = house.chat(key)
    assert refused.status == 401
    assert refused.error["code"] == "expired_key"
    assert house.done("/key/update", {"key": key, "duration": "-1"})["expires"] is None
    assert house.chat(key).status == 200
    assert house.done("/key/delete", {"keys": [key]}) == {"deleted_keys": [key]}
    assert house.chat(key).status == 401
    assert house.chat(key).error["code"] == "invalid_api_key"
    assert house.admin(f"/key/info?key={key}").status == 404
    assert house.admin("/key/delete", {"keys": [key]}).status == 404


def test_several_keys_are_deleted_all_or_none(house: GovernedHouse) -> None:
    first, second = house.make_key(), house.make_key(key_alias="second")
    assert house.admin("/key/delete", {"keys": [first, "sk-not-there-00000"]}).status == 404
    assert house.chat(first).status == 200
    gone = house.done("/key/delete", {"keys": [first], "key_aliases": ["second"]})
    assert gone["deleted_keys"][0] == first
    assert len(gone["deleted_keys"]) == 2
    assert house.chat(first).status == house.chat(second).status == 401


def test_an_update_changes_what_it_names_and_null_gives_the_default_back(
    house: GovernedHouse,
) -> None:
    key = house.make_key(models=["m"], max_budget=1.5, metadata={"a": 1, "b": 2}, tags=["x"])
    changed = house.done("/key/update", {"key": key, "metadata": {"c": 3}, "max_budget": None})
    assert changed["key"] == key
    assert changed["metadata"] == {"c": 3}
    assert changed["max_budget"] is None
    assert changed["models"] == ["m"]
    assert changed["tags"] == ["x"]
    cleared = house.done("/key/update", {"key": key, "models": None})
    assert cleared["models"] == []
    house.done("/key/update", {"key": key, "key_alias": "named"})
    assert house.done("/key/update", {"key_alias": "named", "tags": []})["tags"] == []
    assert house.admin("/key/update", {"tags": []}).status == 400
    assert house.admin("/key/update", {"key": key, "spend": 0}).error["param"] == "spend"


def test_an_alias_is_of_one_key_only(house: GovernedHouse) -> None:
    house.make_key(key_alias="mine")
    other = house.make_key(key_alias="yours")
    for path, body in (
        ("/key/generate", {"key_alias": "mine"}),
        ("/key/update", {"key": other, "key_alias": "mine"}),
    ):
        answer = house.admin(path, body)
        assert answer.status == 400
        assert answer.error["code"] == "already_exists"


@pytest.mark.parametrize("grace", [None, "1h"])
def test_a_rotated_key_keeps_all_but_its_secret(house: GovernedHouse, grace: str | None) -> None:
    old = house.make_key(models=["m"], key_alias="app", max_budget=2, duration="30d")
    body: dict[str, Any] = {"key": old, "max_budget": 3}
    made = house.done("/key/regenerate", {**body, "grace_period": grace})
    new = made["key"]
    assert new != old
    assert made["key_alias"] == "app"
    assert made["models"] == ["m"]
    assert made["max_budget"] == 3
    assert house.chat(new).status == 200
    assert house.chat(new, "other").status == 403
    assert house.chat(old).status == (401 if grace is None else 200)
    keys = house.app.keys.accounts
    assert keys is not None
    ids = {
        principal.key_id
        for token in keys.keys
        if (principal := keys.principal(token, house.app.keys.names, house.clock.now()))
    }
    assert ids == {sha256(old.encode()).hexdigest()}  # both count against the same budget
    house.clock.pass_time(3_600)
    assert house.chat(old).status == 401
    assert house.chat(new).status == 200
    # What has been rotated can be rotated again.
    assert house.chat(house.done("/key/regenerate", {"key": new})["key"]).status == 200
    assert house.chat(new).status == 401


def test_keys_are_listed_in_pages_as_hashes_or_whole(house: GovernedHouse) -> None:
    for number in range(12):
        house.make_key(key_alias=f"key {number:02}", team_id="a" if number % 2 else "b")
        house.clock.pass_time(1)
    first = house.done("/key/list")
    assert len(first["keys"]) == 10
    assert (first["total_count"], first["current_page"], first["total_pages"]) == (12, 1, 2)
    assert all(len(one) == 64 for one in first["keys"])
    whole = house.done("/key/list?page=2&size=4&return_full_object=true&sort_order=asc")
    assert [one["key_alias"] for one in whole["keys"]] == [f"key {n:02}" for n in range(4, 8)]
    team = house.done("/key/list?team_id=a&size=100")
    assert team["total_count"] == 6
    found = house.done("/key/list?search=KEY%2007&return_full_object=true")
    assert [one["key_alias"] for one in found["keys"]] == ["key 07"]
    house.done("/key/delete", {"key_aliases": ["key 07"]})
    deleted = house.done("/key/list?status=deleted&return_full_object=true")
    assert [one["status"] for one in deleted["keys"]] == ["deleted"]
    for wrong in ("size=101", "page=0", "page=x", "sort_by=token;--", "nonsense=1"):
        assert house.admin(f"/key/list?{wrong}").status == 400


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"model": ["m"]}, "model", "did you mean `models`?"),
        ({"max_bugdet": 1}, "max_bugdet", "did you mean `max_budget`?"),
        ({"guardrails": ["pii"]}, "guardrails", "not built"),
        ({"max_budget": -1}, "max_budget", "below zero"),
        ({"max_budget": 10**7}, "max_budget", "9000000"),
        ({"max_budget": "1e400"}, "max_budget", "dollars"),
        ({"max_budget": True}, "max_budget", "dollars"),
        ({"max_budget": 1, "soft_budget": 1}, "soft_budget", "below `max_budget`"),
        ({"budget_duration": "soon"}, "budget_duration", "cannot be read"),
        ({"duration": "soon"}, "duration", "`20m`"),
        ({"models": "m"}, "models", "a list"),
        ({"models": ["a\u0000b"]}, "models", "a list"),
        ({"key_alias": "a\nb"}, "key_alias", "a text"),
        ({"metadata": {"x": "a\u0000"}}, "metadata", "cannot be stored"),
        ({"metadata": []}, "metadata", "an object"),
        ({"allowed_ips": ["300.1.1.1"]}, "allowed_ips", "networks"),
        ({"blocked": "yes"}, "blocked", "true or false"),
        ({"rpm_limit": 1.5}, "rpm_limit", "whole number"),
        ({"rpm_limit": 2**70}, "rpm_limit", "whole number"),
        ({"key_type": "admin"}, "key_type", "`llm_api`"),
        ({"model_max_budget": {"m": {"budget_limit": "x"}}}, "model_max_budget", "budgets by"),
    ],
)
def test_a_wrong_field_is_refused_with_its_name_and_nothing_is_written(
    house: GovernedHouse, body: dict[str, Any], param: str, words: str
) -> None:
    answer = house.admin("/key/generate", body)
    assert answer.status == 400, answer.text
    assert answer.error["param"] == param
    assert words in answer.error["message"]
    assert house.done("/key/list")["total_count"] == 0


def test_fields_without_an_effect_are_stored_and_named_in_a_header(house: GovernedHouse) -> None:
    answer = house.admin(
        "/key/generate",
        {"rpm_limit": 5, "tpm_limit": 6.0, "max_budget": 1, "tags": ["a"], "spend": 0.5},
    )
    assert answer.json["rpm_limit"] == 5
    assert answer.json["tpm_limit"] == 6
    assert answer.headers["x-puna-not-enforced"] == "tags,tpm_limit,rpm_limit,spend"
    empty: dict[str, Any] = {
        "guardrails": [],
        "permissions": {},
        "config": None,
        "send_invite_email": False,
    }
    plain = house.admin("/key/generate", {"metadata": {"a": 1}, **empty})
    assert plain.status == 200
    assert "x-puna-not-enforced" not in plain.headers


def test_money_is_kept_to_the_pico_dollar(house: GovernedHouse) -> None:
    key = house.make_key(max_budget=0.1, soft_budget="0.000000000001", budget_duration="1mo")
    accounts = house.app.keys.accounts
    assert accounts is not None
    (record,) = accounts.keys.values()
    assert (record.max_budget, record.soft_budget) == (10**11, 1)
    principal = accounts.principal(record.token, house.app.keys.names, 0.0)
    assert principal is not None
    window = Window.parse("1mo")
    scope = f"key:{record.token}"
    assert principal.budgets == (Budget(scope, "money", 10**11, window, 1),)
    info = house.done(f"/key/info?key={key}")["info"]
    assert info["max_budget"] == 0.1
    assert info["soft_budget"] == 1e-12
    assert info["budget_reset_at"] == "2025-07-01T00:00:00+00:00"


def test_what_administrators_do_is_audited_without_a_secret(house: GovernedHouse) -> None:
    key = house.make_key(models=["m"])
    token = sha256(key.encode()).hexdigest()
    house.done("/key/update", {"key": key, "models": ["other"]})
    house.done("/key/block", {"key": key})
    house.done("/key/delete", {"keys": [key]})
    acts = house.audit()
    assert [one.action for one in acts] == ["deleted", "blocked", "updated", "created"]
    assert {(one.actor, one.kind, one.object_id) for one in acts} == {("master", "key", token)}
    updated = acts[2]
    assert updated.before == {"models": ["m"]}
    assert updated.after == {"models": ["other"]}
    assert key not in str(acts)
    assert MASTER not in str(acts)


def test_without_a_key_nothing_is_answered_and_nothing_done(house: GovernedHouse) -> None:
    for path in ("/key/generate", "/key/delete", "/key/list", "/key/info"):
        body: Any = {"models": []} if path.endswith(("generate", "delete")) else None
        for key in ("sk-wrong-key-00000", ""):
            assert house.admin(path, body, key=key).status == 401
    assert house.audit() == ()


def test_a_path_that_is_not_there_is_told_with_the_nearest_one(house: GovernedHouse) -> None:
    near = house.admin("/key/generat", {"models": []})
    assert near.status == 404
    assert "did you mean `/key/generate`?" in near.error["message"]
    assert "not built yet" in house.admin("/spend/logs").error["message"]
    assert "POST /key/generate" in house.get("/routes").json["routes"]
    assert house.admin("/key/generate").status == 405


def test_the_document_of_a_gateway_with_a_database_has_the_admin_api(house: GovernedHouse) -> None:
    document = house.get("/openapi.json").json
    body = document["components"]["schemas"]["KeyGenerateRequest"]
    assert set(body["properties"]) >= {"models", "max_budget", "duration", "metadata"}
    assert "/key/generate" in document["paths"]
    assert "/key/generate" not in House(master_key="sk-a").get("/openapi.json").json["paths"]


class UnreadableStore(AccountStore):
    """A database that fails when changes are read from it."""

    @override
    async def changes_since(self, revision: int) -> Changes:
        raise ServiceUnavailableError("The database cannot be used: gone.")


def test_a_key_that_was_made_is_shown_even_if_the_database_fails_right_after(
    house: GovernedHouse,
) -> None:
    feed = house.app.feed
    assert feed is not None
    whole, feed.store = feed.store, UnreadableStore(feed.store.database)
    key = house.make_key()
    assert house.chat(key).status == 401  # not known here yet
    feed.store = whole
    house.refresh()
    assert house.chat(key).status == 200
