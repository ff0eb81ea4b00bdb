"""The audit log in words: what actions and details are called for people.

Entries keep their codes: a word may change, what was written down may not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.clock import local_text
from db.states import AlertState, ContentKind, Relation, Role, Severity

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
    "group": "群内提醒",
    "report": "手机页报告",
    "backup": "备份",
    "database": "数据库",
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
    "group.warns": "群内提醒开或关",
    "backup.make": "自动备份",
    "backup.restore": "从备份恢复",
    "database.move": "搬迁数据库",
    "audit.tidy": "清理到期的审计日志",
    "audit.export": "导出审计日志",
    "lead.claim": "领取线索",
    "lead.assign": "交办线索",
    "lead.answer": "答复线索",
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
KEYS = {
    "account": "账号",
    "accounts": "账号",
    "added": "新增",
    "after": "之后",
    "alert": "预警",
    "audience": "受众",
    "before": "之前",
    "below": "下级",
    "body": "正文",
    "cancelled": "取消的预警",
    "changed": "修改",
    "channel": "通道",
    "codes": "编码",
    "days": "保留天数",
    "entries": "条数",
    "expires_at": "有效期至",
    "file": "文件",
    "from": "来自",
    "group": "群",
    "groups": "群",
    "handed_over": "交给其他账号的群",
    "kind": "形式",
    "left": "剩余",
    "link_title": "链接标题",
    "link_url": "链接",
    "lost": "失联的群",
    "mode": "方式",
    "not_sent": "没有提醒到",
    "note": "说明",
    "of": "哪一步",
    "paused": "暂停的预警",
    "people": "人员",
    "picture_id": "图片",
    "reason": "原因",
    "related_id": "原预警",
    "relation": "与原预警",
    "removed": "到期删除",
    "retired": "停用",
    "revision": "版本",
    "role": "角色",
    "rows": "行数",
    "scheduled_at": "定时发布",
    "search": "搜索",
    "secrets": "密钥个数",
    "sent": "已提醒",
    "severity": "级别",
    "since": "从",
    "size": "大小（字节）",
    "state": "状态",
    "step": "步骤",
    "title": "标题",
    "unchanged": "不变",
    "unit": "单位",
    "unit_id": "单位编号",
    "units": "单位",
    "until": "到",
    "users": "用户",
}
_STATES = {str(one): one.label for kind in (AlertState, ContentKind, Relation, Role, Severity) for one in kind}
_LONGEST = 300  # characters of one line; the file has the whole


def action_label(action: str) -> str:
    return ACTIONS.get(action, action)


def detail_lines(detail: dict[str, Any], zone: ZoneInfo) -> list[tuple[str, str]]:
    """What was written down, one line each, as text; instants as the office reads them."""
    return [(" · ".join(KEYS.get(key, key) for key in keys), _plain(value, zone)) for keys, value in _leaves(detail)]


def _leaves(detail: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in detail.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        elif value not in (None, "", []):
            yield (*above, key), value


def _plain(value: Any, zone: ZoneInfo) -> str:
    if isinstance(value, list):
        text = "、".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in value)
    elif isinstance(value, str):
        text = _STATES.get(value) or _instant(value, zone) or value
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _instant(text: str, zone: ZoneInfo) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return local_text(at, zone) if at.tzinfo else ""
