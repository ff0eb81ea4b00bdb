"""Every setting: its meaning, its default, what is allowed. Environment `XINFANG_…` beats `xinfang.toml`.

docs/settings.md lists them all; a test compares the two.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bot.errors import SettingsError
from db.states import Severity

PREFIX = "XINFANG_"
CONFIG = "XINFANG_CONFIG"  # names the file; not a setting itself
DEFAULT_CONFIG = "xinfang.toml"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?")
_WEEKDAY = re.compile("周[一二三四五六日]")


class WechatyGateway(BaseModel):
    """Where one account's gateway listens. The SDK speaks plaintext, so it must be on a private network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60)
    endpoint: str
    token: str = Field(min_length=1, max_length=200, repr=False)

    @field_validator("endpoint")
    @classmethod
    def _private_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("endpoint 应为 地址:端口，如 127.0.0.1:8788")
        if _is_public(host):
            raise ValueError(f"{value} 是公网地址；与网关的通信不加密，只能用本机或内网地址")
        return value

    @property
    def host(self) -> str:
        return self.endpoint.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False  # a name: where it leads is the office's own business


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    office: str = Field("嵊泗县反诈中心", min_length=1, max_length=40, description="署名：预警末尾和页面标题使用")
    data_dir: Path = Field(Path("data"), description="数据目录：内置数据库、备份和日志所在")
    database_url: str = Field(
        "", description="数据库地址；留空使用内置 SQLite（数据目录下 xinfang.db），或 postgresql://用户@主机/库名"
    )
    timezone: str = Field("Asia/Shanghai", description="办公时区")
    host: str = Field("127.0.0.1", description="网页监听地址；默认只限本机")
    port: int = Field(8080, ge=0, le=65535, description="网页监听端口")
    status_port: int = Field(
        8081, ge=0, le=65535, description="不带网页的进程（run --role sender、scheduler）报告健康状况的端口"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="日志级别")
    log_format: Literal["json", "text"] = Field("json", description="日志格式")
    channels: Annotated[list[Literal["local", "wechaty"]], NoDecode] = Field(["local"], description="启用的通道")
    wechaty_gateways: Annotated[list[WechatyGateway], NoDecode] = Field(
        [], description="Wechaty 网关，每个账号一个：name 账号名，endpoint 内网地址:端口，token 网关令牌"
    )

    # Pacing of one account; an account may have its own. Source: domain facts, wechatferry "safe mode".
    gap_seconds: float = Field(3.0, ge=0, le=600, description="同一账号两次发送的最小间隔（秒，起点到起点）")
    per_minute: int = Field(40, ge=1, le=100_000, description="同一账号每分钟最多发送条数")
    per_day: int = Field(2000, ge=1, le=10_000_000, description="同一账号每日最多发送条数")
    cards_per_day: int = Field(300, ge=0, le=1_000_000, description="同一账号每日最多发送的链接卡片条数")
    throttle_minutes: int = Field(60, ge=1, le=1440, description="平台提示发送频繁后账号停发多少分钟")
    send_timeout: float = Field(
        15.0, gt=0, le=120, description="一次发送等待平台答复的最长时间（秒），超时记为待确认"
    )
    max_attempts: int = Field(3, ge=1, le=20, description="确定未送达时最多尝试次数")
    lease_seconds: float = Field(8.0, ge=0.5, le=120, description="账号租约时长（秒）：发送进程失联后多久可被接管")

    quiet_start: time = Field(time(22, 0), description="免打扰开始时间")
    quiet_end: time = Field(time(7, 0), description="免打扰结束时间；与开始时间相同表示不设免打扰")
    quiet_exempt: Annotated[list[Severity], NoDecode] = Field(
        [Severity.RED], description="免打扰时段仍可推送的预警级别"
    )
    overdue_minutes: int = Field(15, ge=1, le=1440, description="定时预警错过多少分钟后不再自动发布，改为提示")
    expiry_hours: int = Field(24, ge=1, le=720, description="预警默认有效期（小时）")
    second_person: bool = Field(True, description="预警必须由编写人以外的人审核发布")
    forward_days: int = Field(3, ge=1, le=60, description="预警发布后多少天内识别转发")
    outdated_days: int = Field(
        30, ge=0, le=365, description="预警过了识别期、或更正取消后，还有多少天能认出是旧预警（旧版不计触达）"
    )

    deadline_red: int = Field(30, ge=1, le=10_080, description="红色预警发布后多少分钟内应当触达")
    deadline_orange: int = Field(60, ge=1, le=10_080, description="橙色预警发布后多少分钟内应当触达")
    deadline_yellow: int = Field(120, ge=1, le=10_080, description="黄色预警发布后多少分钟内应当触达")
    deadline_blue: int = Field(480, ge=1, le=10_080, description="蓝色预警发布后多少分钟内应当触达")
    reminders: bool = Field(True, description="过了时限还没触达，是否私聊提醒联络员")
    remind_parent_minutes: int = Field(
        30, ge=0, le=10_080, description="提醒联络员后再过多少分钟提醒上级联络员；0 为不提醒上级"
    )
    remind_push_minutes: int = Field(
        0, ge=0, le=10_080, description="提醒后再过多少分钟由机器人直接推送到它所在的转发群；0 为不代发"
    )
    reminders_per_day: int = Field(6, ge=1, le=100, description="同一个人每天最多收到多少次提醒")
    account_alarm_minutes: int = Field(
        10, ge=1, le=1440, description="账号离线多少分钟后私聊通知已绑定的民警（受限则立即通知）"
    )
    phone_days: int = Field(7, ge=1, le=90, description="联络员手机页链接的有效天数")

    answers_per_person: int = Field(6, ge=1, le=1000, description="群里同一个人每分钟最多得到多少条答复")
    answers_per_group: int = Field(20, ge=1, le=1000, description="同一个群每分钟最多答复多少条")
    answers_private: int = Field(20, ge=1, le=1000, description="私聊里同一个人每分钟最多得到多少条答复")
    context_minutes: int = Field(
        10, ge=1, le=1440, description="答复后多少分钟内，“那怎么办”“换一个”和数字接着上一条"
    )
    uncalled_minutes: int = Field(
        3, ge=0, le=60, description="群里没有点名时，答复后多少分钟内“然后呢”之类的话仍接着上一条；0 为必须点名"
    )
    warning_gap_minutes: int = Field(60, ge=1, le=10_080, description="同一个群两次诈骗信息提醒至少相隔多少分钟")
    on_duty: Annotated[list[str], NoDecode] = Field(
        [],
        description="接收紧急线索提醒的值班民警：已绑定人员的姓名，前面可写星期，如 张三,周六 李四；当天无人或留空则提醒全部有权限的人",
    )
    growing_questions: int = Field(5, ge=2, le=1000, description="多少条相似的线索提示写一条预警")
    growing_days: int = Field(7, ge=1, le=90, description="在最近多少天的线索里找相似的")

    public_url: str = Field(
        "", description="预警短页面和联络员手机页从外网访问的地址，如 https://fz.example.gov.cn；留空则不给链接"
    )
    push_links: bool = Field(
        True, description="填了 public_url 时，机器人推送的预警末尾带上该单位的短链接（浏览计入该单位）"
    )
    portal: bool = Field(True, description="是否开放门户问答页 /ask")
    portal_origins: Annotated[list[str], NoDecode] = Field(
        [], description="可以嵌入问答窗口的网站，如 https://www.example.gov.cn；留空表示不许嵌入"
    )
    portal_per_minute: int = Field(12, ge=1, le=10_000, description="门户问答：同一地址每分钟最多多少问")
    portal_total_per_minute: int = Field(600, ge=1, le=1_000_000, description="门户问答：所有人每分钟最多多少问")
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        [], description="本系统前面的反向代理的 IP 地址；只相信它们写的 X-Forwarded-For 和 X-Forwarded-Proto"
    )

    question_days: int = Field(180, ge=1, le=3650, description="咨询原文保留天数")
    incoming_days: int = Field(30, ge=1, le=365, description="消息编号（去重用）保留天数")
    lead_days: int = Field(180, ge=30, le=3650, description="线索原文和答复保留天数，之后只留处理记录")
    delivery_days: int = Field(400, ge=90, le=36_500, description="结束的预警，各群推送明细保留天数，之后只留合计")
    audit_days: int = Field(1095, ge=183, le=36_500, description="审计日志保留天数，至少六个月")
    session_hours: int = Field(12, ge=1, le=168, description="网页登录有效时长（小时）")
    idle_minutes: int = Field(120, ge=5, le=10_080, description="多少分钟没有打开页面就自动退出登录")
    login_attempts: int = Field(
        5, ge=1, le=100, description="15 分钟内同一账号允许的登录失败次数；同一地址是它的四倍"
    )
    api_per_minute: int = Field(300, ge=1, le=1_000_000, description="接口：同一令牌每分钟最多多少次请求")
    release_code: bool = Field(False, description="发布预警、通过知识库修改时，必须输入两步验证的动态码")
    secret_key: str = Field(
        "",
        max_length=200,
        repr=False,
        description="两步验证密钥在数据库里加密用的口令；留空则用数据目录下自动生成的 secret.key",
    )
    metrics_token: str = Field(
        "", max_length=200, repr=False, description="读取 /metrics 的令牌；留空则只有本机可以读取"
    )
    backup_at: time = Field(time(2, 30), description="每天自动备份的时间（办公时区）")
    backup_daily: int = Field(7, ge=0, le=366, description="保留最近多少天的自动备份；0 为不自动备份")
    backup_weekly: int = Field(4, ge=0, le=520, description="另外保留最近多少周的自动备份，每周一份")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, toml_file=os.environ.get(CONFIG, DEFAULT_CONFIG))
        return init_settings, env_settings, toml

    @field_validator(
        "channels", "quiet_exempt", "wechaty_gateways", "portal_origins", "trusted_proxies", "on_duty", mode="before"
    )
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """A list is written `a,b` or as JSON, in the environment and in the file."""
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",") if part.strip()]
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError('应为列表，如 a,b 或 ["a","b"]') from error

    @field_validator("portal_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        """They become part of a header: nothing but scheme, host and port."""
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} 应为网站地址，只写协议、域名和端口，如 https://www.example.gov.cn")
        return value

    @field_validator("on_duty")
    @classmethod
    def _are_turns(cls, value: list[str]) -> list[str]:
        """ "张三" is on duty every day, "周六 李四" on Saturdays."""
        for turn in value:
            day, _, name = turn.rpartition(" ")
            if not name or (day and not _WEEKDAY.fullmatch(day)):
                raise ValueError(f"{turn} 应为姓名，或 周六 姓名")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for address in value:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise ValueError(f"{address} 应为 IP 地址，如 127.0.0.1") from error
        return value

    @field_validator("quiet_start", "quiet_end", "backup_at")
    @classmethod
    def _without_zone(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("应为办公时区的时间，不带时区，如 22:00")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, ZoneInfoNotFoundError):
            raise ValueError("应为时区名称，如 Asia/Shanghai") from None
        return value

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("应为网址，如 https://fz.example.gov.cn，或留空")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise ValueError("应以 sqlite:/// 或 postgresql:// 开头，或留空")
        if value == "sqlite:///":
            raise ValueError("sqlite:/// 后面应写文件路径，如 sqlite:////var/lib/xinfang/xinfang.db")
        return value

    @model_validator(mode="after")
    def _gateways_fit(self) -> Settings:
        names = [gateway.name for gateway in self.wechaty_gateways]
        if len(set(names)) < len(names):
            raise PydanticCustomError("gateways", "wechaty_gateways 中两个网关的 name 相同；每个账号一个网关")
        if "wechaty" in self.channels and not names:
            raise PydanticCustomError(
                "gateways", "启用了 wechaty 通道，但没有设置 wechaty_gateways（见 docs/wechaty.md）"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def database(self) -> str:
        """The database's URL with the default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'xinfang.db').resolve()}"

    def deadline_minutes(self, severity: Severity) -> int:
        """From the release to the time by which the groups must have had it."""
        minutes: int = getattr(self, f"deadline_{severity.value}")
        return minutes

    @property
    def gap_ms(self) -> int:
        return round(self.gap_seconds * 1000)


def load_settings(**overrides: Any) -> Settings:
    """Settings from arguments, environment and file, in this order. Raises `SettingsError` naming each fault."""
    _check_environment()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [_fault_text(fault) for fault in error.errors()]
        raise SettingsError("设置有误：\n" + "\n".join(lines)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        name = os.environ.get(CONFIG, DEFAULT_CONFIG)
        raise SettingsError(f"设置文件 {name} 读不出来：{error}；应为 UTF-8 的 TOML，如 port = 8080") from error


def _check_environment() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {CONFIG}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise SettingsError(f"没有这样的设置：环境变量 {'、'.join(unknown)}（docs/settings.md 列出了全部）")
    file = os.environ.get(CONFIG)
    if file is not None and not Path(file).is_file():
        raise SettingsError(f"找不到设置文件 {file}（环境变量 {CONFIG}）")


def _fault_text(fault: Any) -> str:
    name = str(fault["loc"][0]) if fault["loc"] else "?"
    if fault["type"] == "gateways":
        return f"  {fault['msg']}"
    if name == "wechaty_gateways" and len(fault["loc"]) > 2:  # one gateway's field; its token is nobody's business
        number, field = fault["loc"][1], fault["loc"][2]
        what = {"missing": "没有写", "extra_forbidden": "没有这一项"}.get(fault["type"]) or _allowed(fault)
        return f"  {name} 第 {number + 1} 个网关的 {field}：{what}"
    if fault["type"] == "extra_forbidden":
        return f"  {name}：没有这个设置项（docs/settings.md 列出了全部）"
    return f"  {name}（环境变量 {PREFIX}{name.upper()}）= {fault['input']!r}：{_allowed(fault)}"


def _allowed(fault: Any) -> str:
    context = fault.get("ctx", {})
    kinds: dict[str, Callable[[], str]] = {
        "literal_error": lambda: f"只能是 {_listing(context['expected'])}",
        "enum": lambda: f"只能是 {_listing(context['expected'])}",
        "list_type": lambda: '应为列表，如 a,b 或 ["a","b"]',
        "greater_than_equal": lambda: f"不能小于 {context['ge']:g}",
        "greater_than": lambda: f"必须大于 {context['gt']:g}",
        "less_than_equal": lambda: f"不能大于 {context['le']:.0f}",
        "int_parsing": lambda: "应为整数",
        "int_type": lambda: "应为整数",
        "int_from_float": lambda: "应为整数",
        "float_parsing": lambda: "应为数字",
        "float_type": lambda: "应为数字",
        "bool_parsing": lambda: "只能是 true 或 false",
        "bool_type": lambda: "只能是 true 或 false",
        "string_type": lambda: "应为文字，写在引号里",
        "path_type": lambda: "应为路径，写在引号里",
        "time_type": lambda: "应为时间，如 22:00",
        "time_parsing": lambda: "应为时间，如 22:00",
        "string_too_short": lambda: "不能为空",
        "string_too_long": lambda: f"最多 {context['max_length']} 个字",
        "value_error": lambda: str(context["error"]),
    }
    return kinds[fault["type"]]() if fault["type"] in kinds else str(fault["msg"])


def _listing(expected: str) -> str:
    """pydantic lists values as in English: 'a', 'b' or 'c'."""
    return expected.replace(" or ", "、").replace(", ", "、").replace("'", "")
