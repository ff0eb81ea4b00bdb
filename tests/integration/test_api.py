"""What programs do through the API, from end to end; on both databases."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from db.models import Alert, AuditEntry, Delivery, Group, Lead, Person, Reply, Unit
from db.states import AlertState, DeliveryState, Role
from tests.api import Program, make_token, make_work, program
from tests.broadcasts import fold
from tests.console import Console, County
from tests.factories import make_alert

ALERT = {"title": "谨防刷单返利", "body": "凡是要求垫付的刷单都是诈骗。", "severity": "orange"}


@pytest.fixture
async def author(console: Console) -> Program:
    return await program(console, Role.PUBLISHER)


@pytest.fixture
async def chief(console: Console) -> Program:
    return await program(console, Role.REVIEWER)


async def _count(console: Console, table: type[Any]) -> int:
    async with console.database.read() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def _submitted(author: Program, **fields: Any) -> dict[str, Any]:
    alert = (await author.post("/alerts", ALERT | fields)).json
    return dict((await author.post(f"/alerts/{alert['id']}/submit")).json)


# ── alerts ──


async def test_an_alert_from_writing_to_the_groups(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    rule = {"units": [county.east.id], "exclude_groups": []}
    ahead = (await author.post("/audience/preview", {"audience": rule})).json
    assert (ahead["groups"], ahead["pushed"], ahead["relayed"], ahead["members"]) == (2, 1, 1, 280)
    made = await author.post("/alerts", ALERT | {"audience": rule})
    assert made.status == 201
    assert made.json["steps"] == ["edit", "submit", "cancel"]
    assert made.json["audience"]["words"] == ["范围：菜园镇"]
    path = f"/alerts/{made.json['id']}"
    edited = (await author.put(path, ALERT | {"audience": rule, "title": "谨防刷单"})).json
    assert (edited["title"], edited["version"]) == ("谨防刷单", 2)
    assert (await author.post(f"{path}/submit")).json["state"] == "in_review"
    assert (await author.put(path, ALERT)).json["error"]["code"] == "wrong_state"
    assert (await author.post(f"{path}/release", {"version": 2})).status == 403  # the second person
    assert (await chief.post(f"{path}/release", {"version": 1})).status == 409  # not what was read
    released = (await chief.post(f"{path}/release", {"version": 2})).json
    assert (released["state"], released["expected_groups"], released["deliveries"]) == ("running", 2, 1)
    progress = (await chief.get(f"{path}/progress")).json
    assert (progress["counts"]["waiting"], progress["done"]) == (1, 0)
    rows = (await chief.get(f"{path}/deliveries", state="waiting")).json
    assert [(row["group_name"], row["account_name"]) for row in rows["items"]] == [("菜园群", "心防一号")]
    assert (await author.post(f"{path}/pause")).json["state"] == "paused"
    assert (await author.post(f"{path}/resume")).json["state"] == "running"
    unnamed = (await author.post(f"{path}/cancel", {"reason": "写错了"})).json["error"]
    assert list(unnamed["fields"]) == ["number"]
    ended = await author.post(f"{path}/cancel", {"reason": "写错了", "number": released["number"]})
    assert (ended.json["state"], ended.json["note"]) == ("cancelled", "写错了")


async def test_the_author_takes_an_alert_back_and_others_need_the_right(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    alert = await _submitted(author)
    colleague = await program(console, Role.PUBLISHER)
    path = f"/alerts/{alert['id']}/send_back"
    assert (await colleague.post(path, {"reason": "x"})).status == 403
    assert (await chief.post(path, {"reason": " "})).json["error"]["fields"] == {"reason": "请写明退回原因"}
    assert (await author.post(path, {"reason": "还要改"})).json["state"] == "draft"


async def test_a_correction_goes_to_whoever_had_the_alert(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    alert = await _submitted(author)
    await chief.post(f"/alerts/{alert['id']}/release", {"version": alert["version"]})
    later = await author.post("/alerts", ALERT | {"relation": "update", "related_id": alert["id"]})
    assert later.json["audience"]["heard_alert"] == alert["id"]
    assert "更正" in later.json["text"]
    assert alert["number"] in later.json["text"]
    assert (await author.post("/alerts", ALERT | {"relation": "update"})).json["error"]["fields"] == {
        "related_id": "请选择要更正的已发布预警"
    }


async def test_alerts_are_filtered_and_paged(console: Console, county: County, author: Program) -> None:
    async with console.database.write() as session:
        for number in range(5):
            await make_alert(session, title=f"预警{number}")
        await make_alert(session, title="别的", state=AlertState.FINISHED)
    seen, cursor = [], 0
    while cursor is not None:
        page = (await author.get("/alerts", state="draft", search="预警", limit=2, cursor=cursor)).json
        assert page["total"] == 5
        seen += [alert["title"] for alert in page["items"]]
        cursor = page["next"]
    assert seen == [f"预警{number}" for number in (4, 3, 2, 1, 0)]


async def test_a_delivery_in_doubt_is_decided_within_its_alert(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    alert = await _submitted(author)
    await chief.post(f"/alerts/{alert['id']}/release", {"version": alert["version"]})
    async with console.database.write() as session:
        await session.execute(sa.update(Delivery).values(state=DeliveryState.UNKNOWN))
        delivery = (await session.scalars(sa.select(Delivery.id).limit(1))).one()
        other = await make_alert(session)
    assert (await author.post(f"/alerts/{other.id}/deliveries/{delivery}", {"decision": "leave"})).status == 404
    path = f"/alerts/{alert['id']}/deliveries/{delivery}"
    assert (await author.post(path, {"decision": "resend"})).status == 204
    assert (await author.post(path, {"decision": "resend"})).status == 409


async def test_a_picture_is_uploaded_and_read_through_its_alert(console: Console, author: Program) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    made = await author.post("/pictures", {"data": base64.b64encode(buffer.getvalue()).decode()})
    assert (made.status, made.json["media_type"]) == (201, "image/png")
    fields = {"kind": "picture", "picture_id": made.json["id"]}
    alert = (await author.post("/alerts", ALERT | fields)).json
    read = await author.get(f"/alerts/{alert['id']}/picture")
    assert (read.status, read.headers["Content-Type"]) == (200, "image/png")
    lost = await author.post("/alerts", ALERT | fields | {"picture_id": 4711})
    assert lost.json["error"]["fields"] == {"picture_id": "没有这张图片，请先上传"}
    assert (await author.post("/pictures", {"data": base64.b64encode(b"no picture").decode()})).status == 400


# ── once, however often it is sent ──


async def test_creating_with_a_key_happens_once(console: Console, author: Program) -> None:
    first = await author.post("/alerts", ALERT, Idempotency_Key="k-1")
    again = await author.post("/alerts", ALERT, Idempotency_Key="k-1")
    assert (first.status, again.status) == (201, 201)
    assert again.text == first.text
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    other = await author.post("/alerts", ALERT | {"title": "另一条"}, Idempotency_Key="k-1")
    assert (other.status, other.json["error"]["code"]) == (409, "key_reused")
    assert await _count(console, Alert) == 1


async def test_a_key_belongs_to_whoever_used_it_and_for_a_day(console: Console, author: Program) -> None:
    await author.post("/alerts", ALERT, Idempotency_Key="k")
    colleague = await program(console, Role.PUBLISHER)
    assert (await colleague.post("/alerts", ALERT, Idempotency_Key="k")).status == 201
    assert await _count(console, Alert) == 2
    console.clock.advance(24 * 3600)
    await author.post("/alerts", ALERT, Idempotency_Key="k")
    assert await _count(console, Alert) == 3


async def test_what_was_refused_may_be_mended_under_the_same_key(console: Console, author: Program) -> None:
    assert (await author.post("/alerts", ALERT | {"title": " "}, Idempotency_Key="k")).status == 422
    assert (await author.post("/alerts", ALERT, Idempotency_Key="k")).status == 201
    bad = await author.post("/alerts", ALERT, Idempotency_Key="k" * 81)
    assert list(bad.json["error"]["fields"]) == ["Idempotency-Key"]


async def test_many_at_once_with_one_key_make_one_alert(console: Console, author: Program) -> None:
    answers = await asyncio.gather(*(author.post("/alerts", ALERT, Idempotency_Key="k") for _ in range(8)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert await _count(console, Alert) == 1


async def test_releasing_with_a_key_answers_alike_after_it_has_begun(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    alert = await _submitted(author)
    path, body = f"/alerts/{alert['id']}/release", {"version": alert["version"]}
    first = await chief.post(path, body, Idempotency_Key="go")
    again = await chief.post(path, body, Idempotency_Key="go")
    assert (first.status, again.status, again.text) == (200, 200, first.text)
    assert (await chief.post(path, body)).status == 409
    assert await _count(console, Delivery) == 3


# ── the registry ──

UNITS = [
    {"code": "33", "name": "嵊泗县", "kind": "county"},
    {"code": "3301", "name": "菜园镇", "kind": "town", "parent": "33", "tags": ["渔业"]},
]
GROUPS = [{"code": "G1", "name": "菜园群", "unit": "3301", "account": "心防一号", "members": 120}]


async def test_importing_is_previewed_then_confirmed(console: Console, author: Program) -> None:
    tables = {"units": UNITS, "groups": GROUPS}
    plan = (await author.post("/registry/preview", tables)).json
    assert (plan["units"]["added"], plan["groups"]["added"], plan["accounts"]["added"]) == (2, 1, 1)
    assert await _count(console, Unit) == 0
    done = await author.post("/registry/import", tables | {"basis": plan["basis"]})
    assert (done.status, done.json["units"]["added"]) == (200, 2)
    group = (await author.get("/groups")).json["items"][0]
    assert (group["name"], group["unit"], group["account"], group["mode"]) == ("菜园群", "菜园镇", "心防一号", "push")
    assert (await author.get("/units", search="菜园")).json["items"][0]["tags"] == ["渔业"]
    stale = await author.post("/registry/import", tables | {"basis": plan["basis"]})
    assert (stale.status, stale.json["error"]["code"]) == (409, "wrong_state")


async def test_what_an_import_leaves_out_stays(console: Console, author: Program) -> None:
    for tables in ({"units": UNITS, "groups": GROUPS}, {"units": [UNITS[0], UNITS[1] | {"name": "菜园"}]}):
        rows = [{name: value for name, value in row.items() if name != "tags"} for row in tables["units"]]
        given = tables if "groups" in tables else {"units": rows}
        plan = (await author.post("/registry/preview", given)).json
        await author.post("/registry/import", given | {"basis": plan["basis"]})
    assert plan["changed_units"] == [{"code": "3301", "name": "菜园", "fields": {"名称": ["菜园镇", "菜园"]}}]
    assert (await author.get("/units", search="菜园")).json["items"][0]["tags"] == ["渔业"]
    assert await _count(console, Group) == 1


async def test_faults_of_an_import_stand_at_their_rows(author: Program) -> None:
    broken = [UNITS[0], UNITS[1] | {"parent": "99"}, {"code": "??", "name": "", "kind": "town", "parent": "33"}]
    error = (await author.post("/registry/preview", {"units": broken})).json["error"]
    assert error["code"] == "import_refused"
    assert {"units[1].parent", "units[2].code"} <= set(error["fields"])
    assert (await author.post("/registry/preview", {})).json["error"]["fields"] == {"units": "请给出单位表或群表"}


async def test_files_of_the_registry(county: County, author: Program) -> None:
    book = await author.get("/registry/export.xlsx")
    assert book.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
    assert "洋山镇" in (await author.get("/registry/units.csv")).text
    assert "洋山群" in (await author.get("/registry/groups.csv")).text


# ── reach, people, leads, library, users ──


async def test_reach_of_a_liaison_is_the_own_units(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    everywhere = await _submitted(author)
    west = await _submitted(author, audience={"units": [county.west.id]})
    for alert in (everywhere, west):
        await chief.post(f"/alerts/{alert['id']}/release", {"version": alert["version"]})
    await fold(console)
    liaison = await program(console, Role.LIAISON, unit=county.east)
    assert [one["id"] for one in (await liaison.get("/reach")).json["items"]] == [everywhere["id"]]
    assert (await liaison.get(f"/reach/{west['id']}")).status == 404
    reach = (await liaison.get(f"/reach/{everywhere['id']}")).json
    assert (reach["figures"]["unit"]["name"], reach["figures"]["expected_groups"]) == ("菜园镇", 2)
    assert [child["unit"]["name"] for child in reach["children"]] == ["基湖村"]
    assert (await liaison.get(f"/reach/{everywhere['id']}", unit=county.county.id)).status == 404
    missing = (await liaison.get(f"/reach/{everywhere['id']}/missing", limit=1)).json
    assert (missing["total"], missing["next"], missing["items"][0]["name"]) == (2, 1, "菜园群")


async def test_leagues_and_records_are_those_of_the_own_units(
    console: Console, county: County, author: Program, chief: Program
) -> None:
    alert = await _submitted(author)
    await chief.post(f"/alerts/{alert['id']}/release", {"version": alert["version"]})
    await fold(console)
    for query in ({}, {"alert": alert["id"]}, {"period": "2026-11"}):
        league = (await chief.get("/league", **query)).json
        assert [(row["unit"]["name"], row["expected_groups"]) for row in league["items"]] == [
            ("菜园镇", 2),
            ("洋山镇", 1),
        ], query
    assert (await chief.get("/league", period="2026-13")).json["error"]["fields"].keys() == {"period"}
    record = (await chief.get(f"/units/{county.east.id}/record")).json
    assert (record["figures"]["alerts"], [one["month"] for one in record["months"]]) == (1, [202611])
    liaison = await program(console, Role.LIAISON, unit=county.east)
    assert [row["unit"]["name"] for row in (await liaison.get("/league")).json["items"]] == ["基湖村"]
    assert (await liaison.get("/league", parent=county.county.id)).status == 404
    assert (await liaison.get(f"/units/{county.west.id}/record")).status == 404


async def test_codes_and_people(console: Console, county: County, author: Program) -> None:
    ask = {"name": "周敏", "unit_id": county.east.id}
    made = await author.post("/bind_codes", ask)
    assert (made.status, len(made.json["code"])) == (201, 8)
    assert (await author.post("/bind_codes", ask | {"role": "reviewer"})).status == 403  # an administrator's to give
    (code,) = (await author.get("/bind_codes")).json["items"]
    assert (code["name"], code["unit"]) == ("周敏", "菜园镇")
    assert made.json["code"] not in str(code)
    assert (await author.call("DELETE", f"/bind_codes/{code['id']}")).status == 204
    assert (await author.get("/bind_codes")).json["items"] == []
    async with console.database.write() as session:
        now = console.clock.now()
        person = Person(
            name="周敏", role=Role.LIAISON, unit_id=county.east.id, channel="local", member_hash="1", bound_at=now
        )
        session.add(person)
    assert [one["unit"] for one in (await author.get("/people", search="周")).json["items"]] == ["菜园镇"]
    path = f"/people/{person.id}"
    assert (await author.post(f"{path}/role", {"role": "admin"})).status == 403
    assert (await author.post(f"{path}/links")).json["name"] == "周敏"
    assert (await author.post(f"{path}/unbind", {"confirm": "别人"})).json["error"]["fields"].keys() == {"confirm"}
    assert (await author.post(f"{path}/unbind", {"confirm": "周敏"})).status == 204
    assert (await author.get("/people")).json["total"] == 0


async def test_a_lead_from_claiming_to_closing(console: Console, county: County, author: Program) -> None:
    await make_work(console, county)
    leads = (await author.get("/leads")).json
    assert [lead["reason"] for lead in leads["items"]] == ["emergency", "unanswered"]
    path = f"/leads/{leads['items'][1]['id']}"
    assert (await author.post(f"{path}/claim")).json["state"] == "claimed"
    assert (await author.post(f"{path}/claim")).status == 409
    assert (await author.post(f"{path}/answer", {"answer": "是骗局，不要垫付。"})).json["state"] == "answered"
    assert (await author.post(f"{path}/close")).json["state"] == "closed"
    assert (await author.get("/lead_figures")).json == {"open": 1, "alarms": 1}
    assert (await author.get("/leads/4711")).status == 404
    assert await _count(console, Lead) == 2
    assert await _count(console, Reply) == 0  # nobody can be written to: the lead has no account


async def test_an_edit_of_the_library_goes_live_by_a_second_person(
    console: Console, author: Program, chief: Program
) -> None:
    kind = (await author.get("/library/types", search="刷单")).json["items"][0]["id"]
    draft = await author.post(f"/library/types/{kind}/revisions")
    assert (draft.status, draft.json["faults"]) == (201, {})
    path = f"/library/revisions/{draft.json['id']}"
    body = draft.json["body"] | {"summary": "先让你赚小钱，再让你垫大钱。"}
    saved = (await author.put(path, {"body": body, "note": "说得更短", "version": draft.json["version"]})).json
    assert [change["field"] for change in saved["changes"]] == ["summary"]
    assert (await author.put(path, {"body": body, "version": draft.json["version"], "note": ""})).status == 409
    assert (await author.post(f"{path}/submit")).json["state"] == "in_review"
    assert (await author.post(f"{path}/approve", {"version": saved["version"]})).status == 403
    live = await chief.post(f"{path}/approve", {"version": saved["version"]})
    assert live.json["state"] == "live"
    read = (await chief.get(f"/library/types/{kind}")).json
    assert (read["body"]["summary"], read["edited"], read["live_number"]) == (body["summary"], True, 1)
    tried = (await author.post("/library/try", {"text": "刷单返利要垫付"})).json
    assert tried["live"]["types"]
    assert tried["draft"] is None


async def test_users_are_added_and_ended(console: Console) -> None:
    admin = await program(console, Role.ADMIN)
    made = await admin.post("/users", {"username": "lijing", "name": "李静", "role": "publisher"})
    assert (made.status, made.json["user"]["must_change"]) == (201, True)
    assert made.json["password"]
    again = await admin.post("/users", {"username": "lijing", "name": "", "role": "liaison"})
    assert set(again.json["error"]["fields"]) == {"username", "name", "unit_id"}
    assert (await admin.post(f"/users/{made.json['user']['id']}/disable")).json["state"] == "disabled"
    me = (await admin.get("/me")).json
    assert (await admin.post(f"/users/{me['user_id']}/disable")).status == 403
    async with console.database.read() as session:
        actions = set(await session.scalars(sa.select(AuditEntry.action)))
    assert {"user.create", "user.disable"} <= actions


async def test_the_audit_log_is_read_backwards_to_its_end(console: Console, county: County, chief: Program) -> None:
    for _ in range(3):
        await make_token(console, Role.ADMIN)
    seen: list[int] = []
    cursor: int | None = 0
    while cursor is not None:
        page = (await chief.get("/audit", group="user", limit=2, cursor=cursor)).json
        seen += [entry["id"] for entry in page["items"]]
        cursor = page["next"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 4  # with the reviewer's own


async def test_the_overview(console: Console, county: County, author: Program) -> None:
    await make_work(console, county)
    now = (await author.get("/overview")).json
    assert (now["in_review"], now["open_leads"], now["alarms"]) == (1, 2, 1)
    assert [account["name"] for account in now["accounts"]] == ["心防一号"]


# ── steps in the tree ──


async def test_a_unit_is_previewed_moved_and_moved_back(console: Console, county: County, author: Program) -> None:
    path, asked = f"/units/{county.village.id}", {"step": "move", "target": county.west.id}
    plan = (await author.post(f"{path}/steps/preview", asked)).json
    assert (plan["unit"]["name"], plan["target"]["name"], plan["groups"]) == ("基湖村", "洋山镇", 1)
    confirmed = asked | {"basis": plan["basis"], "confirm": "基湖村"}
    assert (await author.post(f"{path}/steps", confirmed | {"confirm": "基湖"})).json["error"]["fields"]
    done = (await author.post(f"{path}/steps", confirmed)).json
    assert done["unit"]["parent_id"] == county.west.id
    assert (await author.post(f"{path}/steps", confirmed)).status in (409, 422)
    taken = (await author.get(f"{path}/steps")).json["items"]
    assert [(one["entry"], one["undoable"]) for one in taken] == [(done["entry"], True)]
    assert (await author.post(f"/units/{county.east.id}/undo/{done['entry']}")).status == 404
    back = await author.post(f"{path}/undo/{done['entry']}")
    assert back.json["parent_id"] == county.east.id
    assert (await author.post(f"{path}/undo/{done['entry']}")).status == 409


async def test_units_and_groups_are_retired_and_restored(county: County, author: Program) -> None:
    path = f"/units/{county.east.id}"
    for step, state in (("retire", "retired"), ("restore", "active")):
        plan = (await author.post(f"{path}/steps/preview", {"step": step})).json
        asked = {"step": step, "basis": plan["basis"], "confirm": "菜园镇"}
        assert (await author.post(f"{path}/steps", asked)).json["unit"]["state"] == state
    group = f"/groups/{county.groups[1].id}"
    assert (await author.post(f"{group}/retire")).json["state"] == "retired"
    assert (await author.post(f"{group}/restore")).json["state"] == "active"


async def test_the_audit_log_leaves_as_a_file_and_says_so(console: Console, county: County, chief: Program) -> None:
    async with console.database.write() as session:
        session.add(
            AuditEntry(at=console.clock.now(), actor="=1+1", origin="", action="alert.start", subject="@x", detail={})
        )
    one = await chief.call("GET", "/audit/export.csv", headers={"Accept": "text/csv"}, group="alert")
    lines = one.text.splitlines()
    assert len(lines) == 2
    assert "'=1+1" in lines[1]
    assert "发布" in lines[1]
    book = await chief.call("GET", "/audit/export.xlsx", headers={"Accept": "*/*"})
    assert book.status == 200
    entries = (await chief.get("/audit", group="audit")).json["items"]
    assert [(entry["action"], entry["detail"].get("group")) for entry in entries] == [
        ("audit.export", ""),
        ("audit.export", "alert"),
    ]


async def test_settings_show_no_secret(console: Console) -> None:
    admin = await program(console, Role.ADMIN)
    rows = {row["name"]: row for row in (await admin.get("/settings")).json["items"]}
    assert rows["office"]["value"]
    assert "of the tests" not in str(rows)


async def test_the_timeline_counts_up(console: Console, county: County, author: Program, chief: Program) -> None:
    alert = await _submitted(author)
    await chief.post(f"/alerts/{alert['id']}/release", {"version": alert["version"]})
    await fold(console)
    found = (await author.get(f"/reach/{alert['id']}/timeline")).json
    assert {strand["unit"]["name"] for strand in found["strands"] if strand["unit"]} <= {"菜园镇", "洋山镇"}
    links = await author.call("POST", f"/alerts/{alert['id']}/links.csv", headers={"Accept": "text/csv"})
    assert "/a/" in links.text
