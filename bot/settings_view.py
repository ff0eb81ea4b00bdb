"""The settings as people read them: value in force, meaning, default, what is allowed, and where the value comes from.

All of it is taken from `bot.settings.Settings`, so a new setting is here without anybody's doing.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, get_args

import sqlalchemy as sa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy.exc import ArgumentError

from bot.settings import CONFIG, DEFAULT_CONFIG, PREFIX, Settings

HIDDEN = "已设置（不显示）"


class Source(StrEnum):
    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND = "command"  # given by how the program was started, as the demo does

    @property
    def label(self) -> str:
        return {"default": "默认", "file": "文件", "environment": "环境变量", "command": "启动命令"}[self]


@dataclass(frozen=True)
class SettingRow:
    """One setting. `value` and `default` are texts without any secret."""

    name: str
    variable: str
    meaning: str
    value: str
    default: str
    allowed: str
    source: Source
    changed: bool  # the value in force is not the default


def config_path() -> Path:
    """The file that is read at the start, whether it exists or not."""
    return Path(os.environ.get(CONFIG, DEFAULT_CONFIG)).resolve()


def list_settings(settings: Settings) -> list[SettingRow]:
    """Every setting, in the order of docs/settings.md. The file is read as it is now."""
    variables = {name.upper() for name in os.environ}
    in_file = _names_in_file()
    return [_row(settings, name, field, variables, in_file) for name, field in Settings.model_fields.items()]


def _row(settings: Settings, name: str, field: FieldInfo, variables: set[str], in_file: set[str]) -> SettingRow:
    variable, value = f"{PREFIX}{name.upper()}", getattr(settings, name)
    changed = value != field.default
    if variable in variables:
        source = Source.ENVIRONMENT
    elif name in in_file:
        source = Source.FILE
    else:
        source = Source.COMMAND if changed else Source.DEFAULT
    return SettingRow(
        name=name,
        variable=variable,
        meaning=field.description or "",
        value=_shown(name, field, value),
        default=_shown(name, field, field.default),
        allowed=_allowed(field),
        source=source,
        changed=changed,
    )


def _names_in_file() -> set[str]:
    """Nothing for a file that cannot be read: the program runs with what it read when it started."""
    try:
        return set(tomllib.loads(config_path().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return set()


def _shown(name: str, field: FieldInfo, value: Any) -> str:
    if field.repr is False:
        return HIDDEN if value else text_of_value(value)
    return _address(value) if name == "database_url" and value else text_of_value(value)


def _address(url: str) -> str:
    """Without the password, wherever it is written."""
    try:
        return sa.make_url(url).set(query={}).render_as_string(hide_password=True)
    except ArgumentError:
        return HIDDEN


def text_of_value(value: Any) -> str:
    """As one would write it in the file; models without their secret fields."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, BaseModel):
        shown = (
            (name, getattr(value, name) if field.repr else HIDDEN) for name, field in type(value).model_fields.items()
        )
        return "，".join(f"{name} {text_of_value(each)}" for name, each in shown)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "；".join(map(text_of_value, value)) or "（空）"
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, Enum):
        return str(value.value)
    return str(value) or "（空）"


def _allowed(field: FieldInfo) -> str:
    """Bounds and choices as the model has them; "" where the meaning says it."""
    choices = _choices(field.annotation)
    if choices:
        return "、".join(choices)
    if field.annotation is bool:
        return "true、false"
    if field.annotation is time:
        return "时:分"
    bounds = {key: getattr(one, key) for one in field.metadata for key in ("ge", "gt", "le") if hasattr(one, key)}
    if "le" not in bounds:
        return ""
    low = f"大于 {bounds['gt']:g}，至 " if "gt" in bounds else f"{bounds.get('ge', 0):g}–"
    return f"{low}{bounds['le']:.0f}"


def _choices(annotation: Any) -> list[str]:
    """What a literal, an enum or a list of either may be."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    inner = get_args(annotation)
    if inner and all(isinstance(each, str) for each in inner):
        return list(inner)
    return [choice for each in inner for choice in _choices(each)]
