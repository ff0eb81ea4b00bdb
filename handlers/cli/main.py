"""The commands of `bot.py`: a table of contents. Only the module of the command that is asked for is imported."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

COMMANDS = {
    # name: (module, what it has there, help of a group of commands)
    "run": ("handlers.cli.serve", "run", ""),
    "demo": ("handlers.cli.demo.command", "demo", ""),
    "init": ("handlers.cli.init", "init", ""),
    "units": ("handlers.cli.units", "units_app", "单位与群：导入、导出、缺口"),
    "alert": ("handlers.cli.alert", "alert_app", "预警：编写、审核、发布、进度、暂停、取消"),
    "ask": ("handlers.cli.knowledge", "ask", ""),
    "screen": ("handlers.cli.knowledge", "screen", ""),
    "match": ("handlers.cli.match", "match", ""),
    "library": ("handlers.cli.library", "library_app", "反诈知识库：检查、导出、导入"),
    "stats": ("handlers.cli.stats", "stats", ""),
    "people": ("handlers.cli.people", "people_app", "绑定联络员和民警的聊天身份"),
    "user": ("handlers.cli.user", "user_app", "控制台用户"),
    "doctor": ("handlers.cli.doctor", "doctor", ""),
    "backup": ("handlers.cli.backup", "backup", ""),
    "restore": ("handlers.cli.backup", "restore", ""),
    "migrate-database": ("handlers.cli.move", "migrate_database", ""),
}


def build_app(wanted: str = "") -> typer.Typer:
    """The commands, or only `wanted` when there is such a command: `ask` must not wait for the database's modules."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def about() -> None:
        """心防：五级反诈群预警推送、转发统计与咨询答复。设置见 docs/settings.md。"""

    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, attribute, text = COMMANDS[name]
        target = getattr(import_module(module), attribute)
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=name, help=text)
        else:
            app.command(name)(target)
    return app


def main() -> None:
    build_app(sys.argv[1] if len(sys.argv) > 1 else "")()
