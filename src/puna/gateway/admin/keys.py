"""`/key/…`: makes, changes, shows and withdraws virtual keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from puna.errors import BadRequestError, NotFoundError
from puna.gateway.admin import fields as of
from puna.gateway.admin.api import (
    Act,
    AdminAPI,
    denied,
    found,
    needs_admin,
    read_page,
    read_query,
    with_values,
)
from puna.gateway.admin.show import show_key
from puna.gateway.answers.replies import Reply, json_reply
from puna.gateway.requests.body import Incoming
from puna.governance.accounts import is_member
from puna.governance.principal import Principal
from puna.governance.records import KeyRecord, TeamRecord

if TYPE_CHECKING:  # SQLAlchemy is loaded only where there is a database
    from puna.governance.store.accounts import AccountReader

_PREFIX: Final = "sk-"
_SHORTEST: Final = 16
_LONGEST: Final = 256
_MOST_KEYS: Final = 100
_ROUTES_OF_TYPE: Final[Mapping[str, tuple[str, ...]]] = {
    "default": (),
    "llm_api": ("llm_api_routes",),
    "management": ("management_routes",),
    "read_only": ("info_routes",),
}
LIST_QUERY: Final = (
    *("page", "size", "user_id", "team_id", "organization_id", "key_hash", "key_alias"),
    *("search", "return_full_object", "include_team_keys", "sort_by", "sort_order", "status"),
)
_SORTS: Final = ("created_at", "updated_at", "key_alias", "spend", "max_budget", "expires")


def hash_of(key: str) -> str:
    """The `token` of a key: its SHA-256 in hex. What is a hash already stays as it is."""
    if not key.startswith(_PREFIX):
        return key
    return sha256(key.encode()).hexdigest()


async def generate_key(admin: AdminAPI, principal: Principal, body: Mapping[str, Any]) -> Reply:
    """`POST /key/generate`.

    Raises:
        APIError: a field is wrong, the caller may not do this, or the database cannot be used. So
            do all functions here.
    """
    known = of.NEW_KEY_FIELDS
    values = of.read_fields(body, known)
    key = _new_key(values.get("key"), "key")
    if values.get("allowed_routes") is None:
        values["allowed_routes"] = _routes_of(values.get("key_type"))

    def make(act: Act) -> KeyRecord:
        return make_key(act, key, values, known)

    record = await admin.change(principal, make)
    return admin.reply(show_new_key(record, key, admin.now, body), body, known)


def make_key(
    act: Act, key: str, values: Mapping[str, Any], known: tuple[of.Field, ...]
) -> KeyRecord:
    """Write a new key, whose fields are read already."""
    token = hash_of(key)
    record = with_values(KeyRecord(token=token, key_name=_name_of(key)), values, known)
    record = replace(record, total_spend=record.spend)
    if record.expires is not None:
        record = replace(record, expires=act.now + record.expires)
    _check_may_own(act, record, None)
    _check_alias(act, record)
    return act.create(record)


def show_new_key(
    record: KeyRecord, key: str, now: float, body: Mapping[str, Any]
) -> dict[str, Any]:
    """A key that was just made. Nothing shows `key` ever again."""
    return {
        **show_key(record, now),
        "key": key,
        "token_id": record.token,
        "duration": body.get("duration"),
    }


async def update_key(admin: AdminAPI, principal: Principal, body: Mapping[str, Any]) -> Reply:
    """`POST /key/update`: the fields that are given; null gives a field's default back."""
    known = of.OLD_KEY_FIELDS
    values = of.read_fields(body, known)
    by_alias = "key" not in values
    if by_alias and not values.get("key_alias"):
        raise BadRequestError(
            "`key` is missing: give the key, its hash or `key_alias`.", param="key"
        )

    def change(act: Act) -> KeyRecord:
        if by_alias:
            before = _by_alias(act.rows, str(values["key_alias"]))
        else:
            before = _by_key(act.rows, str(values["key"]))
        return act.update(before, _changed(act, before, values, known))

    record = await admin.change(principal, change)
    shown = {**show_key(record, admin.now), "key": body.get("key") or record.token}
    return admin.reply(shown, body, known)


def _changed(
    act: Act, before: KeyRecord, values: Mapping[str, Any], known: tuple[of.Field, ...]
) -> KeyRecord:
    """A key as a request wants it, which the caller may do."""
    check_may_change(act.principal, before)
    if "spend" in values:
        raise BadRequestError("`spend` is counted, and cannot be set later.", param="spend")
    after = with_values(before, values, known)
    if values.get("duration") is not None:
        after = replace(after, expires=act.now + values["duration"])
    _check_may_own(act, after, before)
    if after.key_alias != before.key_alias:
        _check_alias(act, after)
    return after


async def regenerate_key(admin: AdminAPI, principal: Principal, body: Mapping[str, Any]) -> Reply:
    """`POST /key/regenerate`: another key in the place of one, which keeps all but its secret.

    With `grace_period` the old key can be used for that long beside the new one. Both count
    against the same budget.
    """
    known = of.REGENERATE_FIELDS
    values = of.read_fields(body, known)
    old = values.get("key") or principal.token
    if not old:
        raise BadRequestError("`key` is missing: give the key, or its hash.", param="key")
    key = _new_key(values.get("new_key"), "new_key")

    def rotate(act: Act) -> KeyRecord:
        before = _by_key(act.rows, str(old))
        after = replace(
            _changed(act, before, values, known),
            token=hash_of(key),
            first_token=before.first_token or before.token,
            key_name=_name_of(key),
        )
        made = act.create(after)
        grace_s = values.get("grace_period")
        if grace_s:
            ends = min(act.now + grace_s, before.expires or float("inf"))
            old_one = replace(before, key_alias=None, expires=ends)
            act.update(before, old_one, "rotated")
        else:
            act.delete(before)
        return made

    record = await admin.change(principal, rotate)
    return admin.reply(show_new_key(record, key, admin.now, body), body, known)


async def block_key(
    admin: AdminAPI, principal: Principal, body: Mapping[str, Any], *, is_blocked: bool
) -> Reply:
    """`POST /key/block` and `/key/unblock`."""
    values = of.read_fields(body, of.ONE_KEY_FIELDS)

    def change(act: Act) -> KeyRecord:
        before = _by_key(act.rows, _needed_key(values))
        check_may_change(principal, before)
        action = "blocked" if is_blocked else "unblocked"
        return act.update(before, replace(before, blocked=is_blocked), action)

    return json_reply(show_key(await admin.change(principal, change), admin.now))


async def delete_keys(admin: AdminAPI, principal: Principal, body: Mapping[str, Any]) -> Reply:
    """`POST /key/delete`: all that are named, or none."""
    values = of.read_fields(body, of.SEVERAL_KEYS_FIELDS)
    keys, aliases = values.get("keys") or (), values.get("key_aliases") or ()
    if not keys and not aliases:
        raise BadRequestError("Name the keys to delete in `keys` or `key_aliases`.", param="keys")

    def delete(act: Act) -> list[str]:
        records = [_by_key(act.rows, one) for one in keys]
        records += [_by_alias(act.rows, one) for one in aliases]
        for one in {one.token: one for one in records}.values():
            check_may_change(principal, one)
            act.delete(one)
        return [*keys, *(one.token for one in records[len(keys) :])]

    return json_reply({"deleted_keys": await admin.change(principal, delete)})


async def key_info(admin: AdminAPI, principal: Principal, head: Incoming) -> Reply:
    """`GET /key/info?key=…`; without `key`, about the key that asks."""
    given = read_query(head.query, ("key",)).get("key") or principal.token
    if not given:
        raise BadRequestError("`key` is missing: `/key/info?key=…`.", param="key")
    record = await admin.read(lambda rows: rows.get(KeyRecord, hash_of(given)))
    if record is None or not may_see(principal, record):
        # Who may not see a key does not learn whether there is one.
        raise NotFoundError("There is no such key, or you may not see it.", code="not_found")
    return json_reply({"key": given, "info": show_key(record, admin.now)})


async def list_keys(admin: AdminAPI, principal: Principal, head: Incoming) -> Reply:
    """`GET /key/list`: a page of the keys that the caller may see, as hashes or whole."""
    values = read_query(head.query, LIST_QUERY)
    page = read_page(values, "page", 1, 10**6)
    size = read_page(values, "size", 10, _MOST_KEYS)
    equal: dict[str, Any] = {
        name: values[name] for name in ("user_id", "team_id", "organization_id") if name in values
    }
    if "key_hash" in values:
        equal["token"] = hash_of(values["key_hash"])
    if "key_alias" in values:
        equal["key_alias"] = values["key_alias"]
    _narrow(principal, equal)
    order = values.get("sort_by", "created_at")
    if order not in _SORTS:
        raise BadRequestError(
            f"`sort_by` must be one of {', '.join(f'`{one}`' for one in _SORTS)}.", param="sort_by"
        )
    search = values.get("search")
    found_page = await admin.read(
        lambda rows: rows.page(
            KeyRecord,
            equal=equal,
            search=(("key_alias", "token"), search) if search else None,
            order=order,
            is_descending=values.get("sort_order", "desc") != "asc",
            skip=(page - 1) * size,
            most=size,
            is_deleted=values.get("status") == "deleted",
        )
    )
    is_full = values.get("return_full_object", "").lower() == "true"
    keys = [show_key(one, admin.now) if is_full else one.token for one in found_page.records]
    total = found_page.total
    return json_reply(
        {
            "keys": keys,
            "total_count": total,
            "current_page": page,
            "total_pages": -(-total // size),
        }
    )


# --- who may do what


def may_see(principal: Principal, record: KeyRecord) -> bool:
    """Whether the caller may see what is stored about a key."""
    return (
        principal.role in {"admin", "viewer"}
        or record.token == principal.token
        or (record.team_id is not None and record.team_id in principal.admin_teams)
        or (principal.user_id is not None and record.user_id == principal.user_id)
    )


def check_may_change(principal: Principal, record: KeyRecord) -> None:
    """Check that the caller may change or withdraw a key.

    Raises:
        PermissionDeniedError: it is neither an administrator nor one of the key's team.
    """
    if principal.role != "admin" and record.team_id not in principal.admin_teams:
        raise denied("Only an administrator, or one of the key's team, may change this key.")


def _check_may_own(act: Act, record: KeyRecord, before: KeyRecord | None) -> None:
    """Check that the caller may make a key of these owners, from what it was before, if it was.

    Raises:
        PermissionDeniedError: it may not.
    """
    principal = act.principal
    if principal.role == "admin":
        return
    check_may_change(principal, record)
    team = act.rows.get(TeamRecord, record.team_id or "")
    is_known = team is not None and (record.user_id is None or is_member(team, record.user_id))
    was = (0, None) if before is None else (before.spend, before.organization_id)
    if not is_known or (record.spend, record.organization_id) != was:
        raise denied(
            "An administrator of a team may make keys for the team and its members only, and "
            "cannot set `spend` or `organization_id`."
        )


def _narrow(principal: Principal, equal: dict[str, Any]) -> None:
    """Narrow a question to the keys that the caller may see."""
    if principal.role in {"admin", "viewer"}:
        return
    if principal.admin_teams:
        wanted = equal.get("team_id")
        if wanted is None or wanted in principal.admin_teams:
            equal["team_id"] = wanted or tuple(sorted(principal.admin_teams))
            return
    if principal.user_id is not None:
        equal["user_id"] = principal.user_id
    else:
        equal["token"] = principal.token
    if not principal.token:
        needs_admin(principal)


# --- keys by what requests call them


def _by_key(rows: AccountReader, key: str) -> KeyRecord:
    return found(rows.get(KeyRecord, hash_of(key)), KeyRecord, key)


def _by_alias(rows: AccountReader, alias: str) -> KeyRecord:
    records = rows.find(KeyRecord, key_alias=alias)
    if not records:
        raise NotFoundError(
            f"There is no key with the alias `{alias[:100]}`.", code="not_found", param="key_alias"
        )
    return records[0]


def _check_alias(act: Act, record: KeyRecord) -> None:
    others = act.rows.find(KeyRecord, key_alias=record.key_alias) if record.key_alias else ()
    if any(one.token not in {record.token, record.first_token} for one in others):
        raise BadRequestError(
            f"Another key has the alias `{record.key_alias}`; choose another one.",
            param="key_alias",
            code="already_exists",
        )


def _needed_key(values: Mapping[str, Any]) -> str:
    key = values.get("key")
    if not key:
        raise BadRequestError("`key` is missing: give the key, or its hash.", param="key")
    return str(key)


def _new_key(given: str | None, name: str) -> str:
    """A key that nobody can guess; or the one that was given, in the form of keys."""
    if given is None:
        return _PREFIX + secrets.token_urlsafe(16)
    is_plain = given.isascii() and " " not in given
    if not (given.startswith(_PREFIX) and _SHORTEST <= len(given) <= _LONGEST and is_plain):
        raise BadRequestError(
            f"`{name}` must begin with `{_PREFIX}`, and have {_SHORTEST} to {_LONGEST} letters, "
            "digits and signs of ASCII. Leave it out for a random one.",
            param=name,
        )
    return given


def _name_of(key: str) -> str:
    return f"{_PREFIX}...{key[-4:]}"


def _routes_of(key_type: str | None) -> tuple[str, ...]:
    routes = _ROUTES_OF_TYPE.get(key_type or "default")
    if routes is None:
        known = ", ".join(f"`{one}`" for one in _ROUTES_OF_TYPE)
        raise BadRequestError(f"`key_type` must be one of {known}.", param="key_type")
    return routes
