"""The audit log: who did what, when, from where. Nothing here can be changed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.identity import Actor
from db.console import list_audit_page
from handlers.web.forms import int_of, text_of
from handlers.web.keys import ENGINE
from handlers.web.views import page

PAGE_SIZE = 50

GROUPS = {
    "alert": "预警",
    "delivery": "投递",
    "registry": "单位与群",
    "user": "用户与登录",
    "lead": "线索",
    "library": "知识库",
    "people": "人员绑定",
    "account": "账号",
    "room": "群的归属",
    "backup": "备份",
    "audit": "审计日志本身",
}
ACTIONS = {
    "alert.create": "写预警",
    "alert.edit": "修改预警",
    "alert.submit": "提交审核",
    "alert.send_back": "退回",
    "alert.schedule": "审核通过，定时发布",
    "alert.start": "发布",
    "alert.pause": "暂停推送",
    "alert.resume": "继续推送",
    "alert.finish": "推送完成",
    "alert.reopen": "重新推送",
    "alert.expire": "过期",
    "alert.cancel": "取消",
    "alert.remind": "人工提醒联络员",
    "alert.push_instead": "到期代发",
    "report.undo": "撤回手机页报告",
    "delivery.resend": "决定重发",
    "delivery.leave": "决定不重发",
    "registry.import": "导入登记表",
    "registry.move": "移动单位",
    "registry.merge": "合并单位",
    "registry.retire": "停用单位",
    "registry.restore": "恢复单位",
    "registry.undo": "撤销单位变动",
    "registry.group_retire": "停用群",
    "registry.group_restore": "恢复群",
    "user.sign_in": "登录",
    "user.refused": "登录失败",
    "user.create": "添加用户",
    "user.password": "修改密码",
    "user.reset": "重置密码",
    "user.disable": "停用用户",
    "user.enable": "启用用户",
    "user.token": "生成接口令牌",
    "user.token_revoke": "吊销接口令牌",
    "user.unlock": "解除登录锁定",
    "user.second_factor_on": "开启两步验证",
    "user.second_factor_off": "关闭两步验证",
    "user.second_factor_key": "更换两步验证的加密密钥",
    "user.recovery_codes": "换新的恢复码",
    "user.recovery_used": "用恢复码登录",
    "user.sessions_ended": "退出其他登录",
    "backup.make": "自动备份",
    "audit.tidy": "清理到期的审计日志",
    "audit.export": "导出审计日志",
    "lead.close": "处理线索",
    "library.begin": "开始修改诈骗类型",
    "library.edit": "修改诈骗类型",
    "library.submit": "提交审核诈骗类型",
    "library.send_back": "退回诈骗类型的修改",
    "library.approve": "通过诈骗类型的修改",
    "library.discard": "放弃诈骗类型的修改",
    "library.restore": "恢复诈骗类型的旧版",
    "library.propose_retirement": "申请停用诈骗类型",
    "library.retire": "停用诈骗类型",
    "people.code": "发放绑定码",
    "people.links": "作废手机页链接",
    "people.bind": "绑定人员",
    "people.void": "作废说在群里的绑定码",
    "people.revoke": "作废绑定码",
    "people.role": "调整人员角色",
    "people.unbind": "解除绑定",
    "account.blocked": "账号受限",
    "room.assign": "新群归入单位",
    "room.hand_over": "群改由另一账号",
}


async def audit_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    group = text_of(request.query, "group")
    group = group if group in GROUPS else ""
    search = text_of(request.query, "search")[:60]
    async with request.app[ENGINE].database.read() as session:
        entries = await list_audit_page(
            session,
            group=group,
            search=search,
            before_id=int_of(request.query, "before"),
            limit=PAGE_SIZE + 1,
        )
    kept = {"group": group, "search": search}
    return await page(
        request,
        "audit.html",
        entries=entries[:PAGE_SIZE],
        more=len(entries) > PAGE_SIZE,
        groups=GROUPS,
        group=group,
        search=search,
        query=urlencode({key: value for key, value in kept.items() if value}),
        paged="before" in request.query,
        label=action_label,
        details=detail_lines,
    )


def action_label(action: str) -> str:
    return ACTIONS.get(action, action)


def detail_lines(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """What was written down, one line each, as text."""
    return [(key, _plain(value)) for key, value in detail.items() if value not in (None, "", {}, [])]


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 300 else f"{text[:300]}…"
