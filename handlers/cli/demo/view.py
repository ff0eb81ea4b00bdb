"""The live view in the terminal; plain lines where nobody watches."""

from __future__ import annotations

from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

STEPS = {
    "import": "导入嵊泗县登记表（Excel）",
    "write": "编写红色预警，第二人审核发布",
    "push": "按级推送到机器人所在的每个群",
    "ask": "居民提问，机器人答复",
    "forward": "联络员转发、报告",
    "figures": "统计各单位触达",
    "check": "核对设计的不变量",
}


class View:
    """Steps with their outcome, progress bars by level, the last lines of chat, and a table at the end."""

    def __init__(self, note: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._note = note
        self._outcomes: dict[str, str] = {}
        self._current = ""
        self._lines: deque[Text] = deque(maxlen=10)
        self._bars = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=32),
            TextColumn("{task.completed:.0f}/{task.total:.0f} 群"),
        )
        self._tasks: dict[str, TaskID] = {}
        self._tables: list[Table] = []
        self._live: Live | None = None

    def __enter__(self) -> View:
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=10)
            self._live.start()
        else:
            self._console.print(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.refresh()
            self._live.stop()

    def begin(self, step: str) -> None:
        self._current = step

    def done(self, step: str, outcome: str) -> None:
        self._outcomes[step] = outcome
        if self._live is None:
            self._console.print(f"✓ {STEPS[step]}：{outcome}", soft_wrap=True)

    def bar(self, name: str, completed: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=completed, total=total)

    def said(self, who: str, text: str) -> None:
        """One line of chat; `Text` because chat may look like markup."""
        line = Text.assemble((who, "bold cyan"), "：", " ".join(text.split())[:90])
        self._lines.append(line)
        if self._live is None:
            self._console.print(Text("    ") + line, soft_wrap=True)

    def table(self, table: Table) -> None:
        self._tables.append(table)
        if self._live is None:
            self._console.print(table)

    def _render(self) -> Group:
        steps = Table.grid(padding=(0, 1))
        for step, label in STEPS.items():
            mark = "[green]✓" if step in self._outcomes else "[yellow]▶" if step == self._current else "[dim]·"
            steps.add_row(mark, label, Text(self._outcomes.get(step, ""), style="green"))
        parts = [Panel(steps, title="心防演示", subtitle=self._note, border_style="blue")]
        chat = Group(*self._lines) if self._lines else Text("（还没有人说话）", style="dim")
        return Group(*parts, self._bars, Panel(chat, title="群聊", border_style="dim"), *self._tables)
