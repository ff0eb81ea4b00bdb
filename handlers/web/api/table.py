"""Every operation of the API, with the permission and the scope of a token that it needs on the same line."""

from __future__ import annotations

from dataclasses import replace

from bot import pictures as picture_limits
from bot import sheets
from bot.permissions import Permission as P  # noqa: N817 - so that each operation stays on one line
from bot.sheets import XLSX_TYPE
from db.states import TokenScope
from handlers.web.api import accounts, alerts, leads, library, office, people, reach, registry, unit_steps
from handlers.web.api.definitions import Operation as Op
from handlers.web.rights import SIGNED_IN, SMALL

READ, WRITE, RELEASE, ADMIN = TokenScope
ENTRY = 2 * 1024 * 1024  # a type of the library with every list full
PICTURE = picture_limits.MAX_BYTES * 3 // 2 + SMALL  # Base64 takes four bytes for three
ROWS = sheets.MAX_BYTES

_BY_TAG: dict[str, list[Op]] = {
    "预警": [
        Op("GET", "/alerts", alerts.list_all, P.SEE_ALERTS, READ, "预警列表，最新的在前"),
        Op("POST", "/alerts", alerts.create, P.WRITE_ALERT, WRITE, "写预警（草稿）", status=201, repeatable=True),
        Op("GET", "/alerts/{id}", alerts.read, P.SEE_ALERTS, READ, "一条预警"),
        Op("PUT", "/alerts/{id}", alerts.edit, P.WRITE_ALERT, WRITE, "修改草稿"),
        Op("POST", "/alerts/{id}/submit", alerts.submit, P.WRITE_ALERT, WRITE, "提交审核"),
        Op("POST", "/alerts/{id}/send_back", alerts.send_back, P.WRITE_ALERT, WRITE, "退回为草稿（审核员或编写人）"),
        Op("POST", "/alerts/{id}/release", alerts.release, P.REVIEW_ALERT, RELEASE, "审核发布", repeatable=True),
        Op("POST", "/alerts/{id}/pause", alerts.pause, P.RUN_ALERT, WRITE, "暂停推送"),
        Op("POST", "/alerts/{id}/resume", alerts.resume, P.RUN_ALERT, WRITE, "继续推送"),
        Op("POST", "/alerts/{id}/cancel", alerts.cancel, P.RUN_ALERT, WRITE, "取消；已发布的须写出编号"),
        Op("GET", "/alerts/{id}/progress", alerts.progress, P.SEE_ALERTS, READ, "推送进度"),
        Op("GET", "/alerts/{id}/deliveries", alerts.deliveries, P.SEE_ALERTS, READ, "逐群的投递"),
        Op("POST", "/alerts/{id}/remind", alerts.remind, P.RUN_ALERT, WRITE, "提醒落后单位的联络员"),
        Op("POST", "/alerts/{id}/deliveries/{delivery}", alerts.decide, P.RUN_ALERT, WRITE, "处理待确认的投递"),
        Op(
            "GET",
            "/alerts/{id}/picture",
            alerts.picture,
            P.SEE_ALERTS,
            READ,
            "预警的图片",
            media=("image/png", "image/jpeg"),
        ),
        Op(
            "POST",
            "/alerts/{id}/links.csv",
            alerts.links,
            P.SEE_ALERTS,
            WRITE,
            "各单位的专用短链接",
            media=("text/csv",),
        ),
        Op("POST", "/pictures", alerts.upload_picture, P.WRITE_ALERT, WRITE, "上传图片", status=201, limit=PICTURE),
        Op("POST", "/audience/preview", alerts.preview, P.WRITE_ALERT, READ, "受众预览：会发给多少群，何时发完"),
    ],
    "触达": [
        Op("GET", "/reach", reach.list_all, P.SEE, READ, "可以查看触达的预警，最近的 100 条"),
        Op("GET", "/reach/{alert}", reach.read, P.SEE, READ, "一条预警在一个单位及其下级的触达"),
        Op("GET", "/reach/{alert}/missing", reach.missing, P.SEE, READ, "还没有收到的群"),
        Op("GET", "/league", reach.league, P.SEE, READ, "单位排行：一条预警，或一段时间"),
        Op("GET", "/units/{id}/record", reach.record, P.SEE, READ, "一个单位一段时间的触达"),
        Op("GET", "/reach/{alert}/timeline", reach.timeline, P.SEE, READ, "触达随时间的变化，按下级单位"),
        Op("GET", "/reach/{alert}/forwards", reach.forwards, P.SEE, READ, "转发与报告的记录，最新的在前"),
    ],
    "单位与群": [
        Op("GET", "/units", registry.list_units, P.SEE, READ, "单位，按树的顺序"),
        Op("GET", "/units/{id}", registry.read_unit, P.SEE, READ, "一个单位"),
        Op("GET", "/groups", registry.list_groups, P.SEE, READ, "群，按树的顺序"),
        Op("GET", "/groups/{id}", registry.read_group, P.SEE, READ, "一个群"),
        Op("PUT", "/groups/{id}/warning", registry.change_warning, P.REGISTRY, WRITE, "可否在群内提醒骗术"),
        Op("PUT", "/groups/{id}/account", registry.change_account, P.REGISTRY, WRITE, "改由另一账号负责"),
        Op("POST", "/groups/{id}/retire", unit_steps.retire_group, P.REGISTRY, WRITE, "停用群"),
        Op("POST", "/groups/{id}/restore", unit_steps.restore_group, P.REGISTRY, WRITE, "恢复群"),
        Op("GET", "/units/{id}/steps", unit_steps.list_taken, P.REGISTRY, READ, "对单位做过的变动，最近十次"),
        Op("POST", "/units/{id}/steps/preview", unit_steps.preview, P.REGISTRY, READ, "变动预览，不写入"),
        Op("POST", "/units/{id}/steps", unit_steps.take, P.REGISTRY, WRITE, "移动、合并、停用或恢复单位"),
        Op("POST", "/units/{id}/undo/{entry}", unit_steps.undo, P.REGISTRY, WRITE, "撤销一次变动"),
        Op("GET", "/registry/gaps", registry.gaps, P.REGISTRY, READ, "登记的缺口"),
        Op("POST", "/registry/preview", registry.preview, P.REGISTRY, READ, "导入预览，不写入", limit=ROWS),
        Op("POST", "/registry/import", registry.confirm, P.REGISTRY, WRITE, "导入预览过的表", limit=ROWS),
        Op("GET", "/registry/template.xlsx", registry.template, P.REGISTRY, READ, "空白模板", media=(XLSX_TYPE,)),
        Op("GET", "/registry/export.xlsx", registry.export_xlsx, P.REGISTRY, READ, "导出 Excel", media=(XLSX_TYPE,)),
        Op("GET", "/registry/units.csv", registry.export_units, P.REGISTRY, READ, "导出单位", media=("text/csv",)),
        Op("GET", "/registry/groups.csv", registry.export_groups, P.REGISTRY, READ, "导出群", media=("text/csv",)),
    ],
    "账号与人员": [
        Op("GET", "/accounts", accounts.list_all, P.SEE_ALERTS, READ, "机器人账号及其状态"),
        Op("GET", "/accounts/{id}", accounts.read, P.SEE_ALERTS, READ, "一个账号"),
        Op("GET", "/rooms", accounts.list_rooms, P.SEE_ALERTS, READ, "账号所在、还没有登记的群"),
        Op("POST", "/rooms", accounts.assign, P.REGISTRY, WRITE, "把群归入单位", status=201),
        Op("GET", "/shared_groups", accounts.shared, P.SEE_ALERTS, READ, "可以改由另一账号负责的群"),
        Op("GET", "/people", people.list_all, P.PEOPLE, READ, "绑定的联络员与工作人员"),
        Op("POST", "/people/{id}/role", people.set_role, P.PEOPLE, WRITE, "调整角色（只限管理员）"),
        Op("POST", "/people/{id}/links", people.end_links, P.PEOPLE, WRITE, "作废手机页链接"),
        Op("POST", "/people/{id}/unbind", people.end_binding, P.PEOPLE, WRITE, "解除绑定"),
        Op("GET", "/bind_codes", people.list_codes, P.PEOPLE, READ, "还没有用的绑定码"),
        Op("POST", "/bind_codes", people.make_code, P.PEOPLE, WRITE, "发放一次性绑定码", status=201),
        Op("DELETE", "/bind_codes/{id}", people.end_code, P.PEOPLE, WRITE, "作废绑定码"),
    ],
    "咨询与线索": [
        Op("GET", "/questions", leads.list_asked, P.QUESTIONS, READ, "群众的咨询，最新的在前"),
        Op("GET", "/questions/figures", leads.asked_figures, P.QUESTIONS, READ, "最近 30 天咨询的统计"),
        Op("GET", "/leads", leads.list_all, P.QUESTIONS, READ, "线索，紧急的在前"),
        Op("GET", "/leads/{id}", leads.read, P.QUESTIONS, READ, "一条线索"),
        Op("POST", "/leads/{id}/claim", leads.claim, P.QUESTIONS, WRITE, "由我处理"),
        Op("POST", "/leads/{id}/assign", leads.assign, P.QUESTIONS, WRITE, "交给同事"),
        Op("POST", "/leads/{id}/answer", leads.answer, P.QUESTIONS, WRITE, "答复提问的人"),
        Op("POST", "/leads/{id}/example", leads.example, P.LIBRARY, WRITE, "加入知识库草稿作例句"),
        Op("POST", "/leads/{id}/close", leads.close, P.QUESTIONS, WRITE, "标为处理完毕"),
        Op("GET", "/lead_figures", leads.figures, P.QUESTIONS, READ, "待处理的线索数"),
        Op("GET", "/lead_groups", leads.groups, P.QUESTIONS, READ, "说同一件事的线索"),
    ],
    "知识库": [
        Op("GET", "/library/types", library.list_types, P.LIBRARY, READ, "诈骗类型"),
        Op("POST", "/library/types", library.create_type, P.LIBRARY, WRITE, "新增类型（草稿）", status=201),
        Op("GET", "/library/types/{type}", library.read_type, P.LIBRARY, READ, "一个类型和它的历史"),
        Op("POST", "/library/types/{type}/revisions", library.begin, P.LIBRARY, WRITE, "开始修改", status=201),
        Op("POST", "/library/types/{type}/retire", library.retire, P.LIBRARY, WRITE, "申请停用", status=201),
        Op(
            "POST",
            "/library/types/{type}/restore",
            library.restore,
            P.REVIEW_LIBRARY,
            RELEASE,
            "恢复从前的一版",
            status=201,
        ),
        Op("GET", "/library/revisions", library.list_open, P.LIBRARY, READ, "还没完成的修改"),
        Op("GET", "/library/revisions/{id}", library.read_revision, P.LIBRARY, READ, "一份修改"),
        Op("PUT", "/library/revisions/{id}", library.save, P.LIBRARY, WRITE, "保存草稿", limit=ENTRY),
        Op("POST", "/library/revisions/{id}/submit", library.submit, P.LIBRARY, WRITE, "提交审核"),
        Op(
            "POST", "/library/revisions/{id}/send_back", library.send_back, P.LIBRARY, WRITE, "退回（审核员或编写人）"
        ),
        Op("POST", "/library/revisions/{id}/discard", library.discard, P.LIBRARY, WRITE, "放弃（审核员或编写人）"),
        Op(
            "POST",
            "/library/revisions/{id}/approve",
            library.approve,
            P.REVIEW_LIBRARY,
            RELEASE,
            "审核通过，立即使用",
        ),
        Op("POST", "/library/preview", library.preview, P.LIBRARY, READ, "答复的样子，不保存", limit=ENTRY),
        Op("POST", "/library/try", library.try_message, P.LIBRARY, READ, "试一条消息：怎样答复、为什么"),
    ],
    "审计与用户": [
        Op("GET", "/audit", office.audit, P.AUDIT, READ, "审计日志，最新的在前"),
        Op(
            "GET", "/audit/export.xlsx", office.audit_xlsx, P.AUDIT, READ, "导出审计日志（Excel）", media=(XLSX_TYPE,)
        ),
        Op("GET", "/audit/export.csv", office.audit_csv, P.AUDIT, READ, "导出审计日志（CSV）", media=("text/csv",)),
        Op("GET", "/settings", office.settings, P.USERS, ADMIN, "生效的设置"),
        Op("GET", "/users", office.list_users, P.USERS, ADMIN, "控制台用户"),
        Op("POST", "/users", office.add_user, P.USERS, ADMIN, "添加用户", status=201),
        Op("GET", "/users/{id}", office.read_user, P.USERS, ADMIN, "一个用户"),
        Op("POST", "/users/{id}/reset", office.reset_user, P.USERS, ADMIN, "发放新的一次性密码"),
        Op("POST", "/users/{id}/disable", office.disable, P.USERS, ADMIN, "停用用户"),
        Op("POST", "/users/{id}/enable", office.enable, P.USERS, ADMIN, "启用用户"),
        Op("POST", "/users/{id}/unlock", office.unlock, P.USERS, ADMIN, "解除登录锁定"),
        Op("POST", "/users/{id}/second_factor_off", office.end_second_factor, P.USERS, ADMIN, "关闭两步验证"),
        Op("POST", "/unlock_addresses", office.unlock_all, P.USERS, ADMIN, "解除地址的登录限制"),
    ],
    "我": [
        Op("GET", "/me", office.me, SIGNED_IN, READ, "我是谁，可以做什么"),
        Op("GET", "/overview", office.overview, P.SEE_ALERTS, READ, "今天的情况，和等着处理的事"),
        Op("GET", "/me/tokens", office.my_tokens, SIGNED_IN, READ, "我的令牌"),
        Op("DELETE", "/me/tokens/{id}", office.end_token, SIGNED_IN, READ, "吊销我的令牌"),
    ],
}

OPERATIONS: tuple[Op, ...] = tuple(replace(one, tag=tag) for tag, many in _BY_TAG.items() for one in many)
