"""The commands of `bot.py`: a table of contents. Heavy imports happen inside the commands, so `--help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from handlers.cli.alert import alert_app
from handlers.cli.backup import backup, restore
from handlers.cli.common import shown_errors
from handlers.cli.doctor import doctor
from handlers.cli.init import init
from handlers.cli.knowledge import knowledge_app
from handlers.cli.people import people_app
from handlers.cli.stats import stats
from handlers.cli.units import units_app
from handlers.cli.user import user_app

app = typer.Typer(
    name="bot.py",
    help="心防：五级反诈群预警推送、转发统计与咨询答复。设置见 docs/settings.md。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(knowledge_app)
app.add_typer(units_app, name="units", help="单位与群：导入、导出、缺口")
app.add_typer(alert_app, name="alert", help="预警：编写、审核、发布、进度、暂停、取消")
app.add_typer(people_app, name="people", help="绑定联络员和民警的聊天身份")
app.add_typer(user_app, name="user", help="控制台用户")
app.command("init")(init)
app.command("stats")(stats)
app.command("doctor")(doctor)
app.command("backup")(backup)
app.command("restore")(restore)


@app.command("run")
def run() -> None:
    """启动机器人和控制台（Ctrl-C 停止）。"""
    from handlers.cli.serve import run_forever

    with shown_errors():
        run_forever()


@app.command("demo")
def demo(
    leave: Annotated[bool, typer.Option("--exit", help="演示结束后退出，打印一行 JSON")] = False,
) -> None:
    """演示整个流程：导入嵊泗县登记表，推送红色预警，答复居民，统计转发。"""
    from handlers.cli.demo import run_demo

    with shown_errors():
        raise typer.Exit(run_demo(leave=leave))
