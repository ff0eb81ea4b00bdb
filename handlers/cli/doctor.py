"""Command `doctor`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from bot.findings import Finding, Verdict
from handlers.cli.common import err, out, print_json

STYLES = {Verdict.OK: "green", Verdict.WARN: "bold yellow", Verdict.FAIL: "bold red"}
EXIT_ILL = 1


def doctor(
    full: Annotated[bool, typer.Option("--full", help="另外逐行核对全部投递和统计，大库需要几分钟")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")] = False,
) -> None:
    """检查设置、数据目录、磁盘、数据库、时钟、账号、知识库、端口，并说明如何修复。有 ✗ 时退出码为 1。"""
    from bot.doctor import examine

    with err.status("检查") if not as_json and err.is_terminal else _Quiet() as status:
        findings = asyncio.run(
            examine(now=datetime.now(UTC), full=full, progress=lambda what: status.update(f"检查{what}"))
        )
    ill = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if as_json:
        print_json({"ok": not ill, "checks": [_facts(finding) for finding in findings]})
    else:
        for finding in findings:
            _show(finding)
    if ill:
        raise typer.Exit(EXIT_ILL)


class _Quiet:
    """Stands in for the moving status line where nobody watches."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, _text: str) -> None: ...


def _facts(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "status": finding.verdict.value,
        "text": finding.text,
        "mend": finding.mend,
    }


def _show(finding: Finding) -> None:
    style = STYLES[finding.verdict]
    out.print(
        Text.assemble((finding.verdict.label, style), " ", (finding.name, "bold"), f"：{finding.text}"),
        soft_wrap=True,
    )
    if finding.mend:
        out.print(Text(f"    → {finding.mend}", style=style), soft_wrap=True)
