"""`library check|export|import`: what scripts and people who edit files rely on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from content.library import DEFAULT_FOLDER, load_library
from db.models import LibraryRevision
from db.states import RevisionState
from handlers.cli.library import library_app
from tests.offices import call, line, refused, shown, write


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XINFANG_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(path: Path, old: str, new: str) -> int:
    """Returns the line that was changed."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def revisions() -> list[LibraryRevision]:
    async def read(session: object) -> list[LibraryRevision]:
        return list(await session.scalars(sa.select(LibraryRevision)))  # type: ignore[attr-defined]

    return write(read)


def test_the_packaged_library_passes() -> None:
    result = call(library_app, "check")
    shown(result, "0 处错误")


def test_faults_and_doubts_are_named_by_line_and_decide_the_exit_code(office: Path) -> None:
    folder = office / "files"
    folder.mkdir()
    shutil.copy(DEFAULT_FOLDER / "zhongjiang.yaml", folder)
    text = (folder / "zhongjiang.yaml").read_text(encoding="utf-8")
    known = load_library(DEFAULT_FOLDER).types["zhongjiang"]
    example = known.asking[0]
    doubtful = change(folder / "zhongjiang.yaml", f"    - {example}\n", f"    - {example}\n    - {example}呀\n") + 1
    for arguments, code in (((), 0), (("--strict",), 2)):
        result = call(library_app, "check", str(folder), *arguments)
        # The type's relations are not in this folder: that is doubtful as well.
        assert f"zhongjiang.yaml:{doubtful} 提醒 例句" in result.stdout
        assert result.exit_code == code
    (folder / "zhongjiang.yaml").write_text(text, encoding="utf-8")
    wrong = change(folder / "zhongjiang.yaml", "victims: ", "victim: ")
    result = call(library_app, "check", str(folder))
    assert result.exit_code == 2
    assert f"zhongjiang.yaml:{wrong} 错误 不认识的字段“victim”" in result.stdout
    faults = line(call(library_app, "check", str(folder), "--json"))["faults"]
    assert {"file": "zhongjiang.yaml", "line": wrong} == {key: faults[-1][key] for key in ("file", "line")}


def test_what_is_exported_loads_again_and_comes_back_as_drafts(office: Path) -> None:
    folder = office / "out"
    shown(call(library_app, "export", str(folder)), "个类型写到")
    for path in DEFAULT_FOLDER.glob("*.yaml"):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    refused(call(library_app, "export", str(folder)), "--overwrite")
    shown(call(library_app, "export", str(folder), "--overwrite"))
    shown(call(library_app, "import", str(folder), "--yes"), "没有需要导入的改动")

    change(folder / "zhongjiang.yaml", "summary: ", "summary: 请注意，")
    new = (folder / "zhongjiang.yaml").read_text(encoding="utf-8").replace("id: zhongjiang", "id: xinjiang", 1)
    (folder / "xinjiang.yaml").write_text(new, encoding="utf-8")
    preview = call(library_app, "import", str(folder), "--dry-run")
    shown(preview, "改动 zhongjiang", "一句话说明", "新增 xinjiang", "未导入")
    assert revisions() == []
    done = line(call(library_app, "import", str(folder), "--yes", "--submit", "--json"))
    assert (done["applied"], done["new"], done["changed"]) == (True, 1, 1)
    assert {(each.type_id, each.state) for each in revisions()} == {
        ("zhongjiang", RevisionState.IN_REVIEW),
        ("xinjiang", RevisionState.IN_REVIEW),
    }
    shown(call(library_app, "import", str(folder), "--dry-run"), "跳过（有还没完成的修改） zhongjiang")


def test_live_edits_are_exported_in_the_form_of_files(office: Path) -> None:
    async def make_live(session: object) -> None:
        for each in await session.scalars(sa.select(LibraryRevision)):  # type: ignore[attr-defined]
            each.state = RevisionState.LIVE

    first, second = office / "first", office / "second"
    call(library_app, "export", str(first))
    change(first / "zhongjiang.yaml", "summary: ", "summary: 请注意，")
    shown(call(library_app, "import", str(first), "--yes", "--submit"))
    write(make_live)
    shown(call(library_app, "export", str(second)))
    for path in first.glob("*.yaml"):
        assert (second / path.name).read_bytes() == path.read_bytes(), path.name


def test_faulty_files_import_nothing(office: Path) -> None:
    folder = office / "files"
    folder.mkdir()
    shutil.copy(DEFAULT_FOLDER / "zhongjiang.yaml", folder)
    wrong = change(folder / "zhongjiang.yaml", "  - 5 | ", "  - 9 | ")
    refused(call(library_app, "import", str(folder), "--yes"), f"zhongjiang.yaml:{wrong}", "权重为 1 至 5")
    assert revisions() == []
