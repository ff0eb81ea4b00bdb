"""The fraud library: types, revisions, trying a message."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from bot.library_trial import LONGEST
from content.library_bodies import MOST
from db.states import AnswerKind, RevisionKind, RevisionState
from handlers.web.api.models.common import Id, In, Line, Number, Out, Search

TypeId = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]*$")]
Text = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00]*$")]
Texts = Annotated[list[Text], Field(max_length=MOST)]


class TypeListing(In):
    search: Search = Field("", description="在名称、别名和短语中查找")
    fraud_class: Search = Field("", description="官方大类")


class TypeSummary(Out):
    id: str
    name: str
    fraud_class: str
    known: bool = Field(description="机器人现在认得它")
    edited: bool = Field(description="内容与程序自带的不同")
    retired: bool
    live_number: int = Field(description="使用中的版本；0 是程序自带的")
    open_revision: int | None = Field(description="还没完成的修改的编号")
    open_state: RevisionState | None


class Examples(In):
    asking: Texts = Field([], description="群众会怎样问")
    telling: Texts = Field([], description="群众会怎样讲自己的经过")
    scammer: Texts = Field([], description="骗子会怎样说")


class Faq(In):
    q: Text
    a: Text


class TypeBody(In):
    """What a type says, finished or not: a draft may have faults, only submitting asks for their mending."""

    fraud_class: Text = Field("", description="官方大类，如“1 刷单返利类”")
    name: Text = ""
    aka: Texts = Field([])
    phrases: Texts = Field([], description="“权重 | 词 + 词”，如“5 | 中奖 + 税”")
    summary: Text = ""
    steps: Texts = Field([])
    signs: Texts = Field([])
    victims: Text = ""
    do: Texts = Field([])
    never: Texts = Field([])
    related: Texts = Field([])
    examples: Examples = Examples()
    faq: list[Faq] = Field([], max_length=MOST)


class RevisionSummary(Out):
    id: int
    type_id: str
    number: int
    kind: RevisionKind
    state: RevisionState
    version: int
    note: str
    comment: str
    created_by: str
    reviewed_by: str
    created_at: datetime
    changed_at: datetime
    reviewed_at: datetime | None


class TypeFull(TypeSummary):
    body: TypeBody | None = Field(description="机器人现在按它答复；不认得时为空")
    answer: str = Field(description="群里看到的答复")
    history: list[RevisionSummary]


class FieldChange(Out):
    field: str
    label: str
    removed: list[str]
    added: list[str]


class Revision(RevisionSummary):
    body: TypeBody | None = Field(description="停用申请没有内容")
    faults: dict[str, str] = Field(description="提交前须改的，按字段")
    doubts: dict[str, list[str]] = Field(description="值得再看一眼的，按字段")
    changes: list[FieldChange] = Field(description="与现在使用的内容相比")


class NewType(In):
    id: TypeId
    name: Text
    fraud_class: Text


class RevisionWrite(In):
    body: TypeBody
    note: Line = Field("", description="改了什么、为什么")
    version: Number = Field(description="开始修改时看到的版本")


class Approve(In):
    version: Number = Field(description="审核时看到的版本")


class Restore(In):
    number: Number = Field(description="第几版；0 是程序自带的")


class Preview(In):
    body: TypeBody


class Rendered(Out):
    text: str
    length: int


class TrialAsk(In):
    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST, pattern=r"^[^\x00]*$")]
    revision: Id | None = Field(None, description="与这份草稿比较")


class TrialReason(Out):
    type_name: str
    text: str
    weight: float


class Trial(Out):
    """What one library makes of a message, and why."""

    kind: AnswerKind
    text: str
    types: list[str]
    score: float
    fraud: float
    alarm: bool
    phrases: list[TrialReason]
    examples: list[TrialReason]


class Trials(Out):
    live: Trial
    draft: Trial | None


Body = dict[str, Any]


def body_out(body: Body | None) -> TypeBody | None:
    """A library's body as the API writes it: `class` is a word that no program can use as a name."""
    if body is None:
        return None
    kept = {name: value for name, value in body.items() if name not in ("id", "class")}
    return TypeBody.model_validate(kept | {"fraud_class": body["class"]})


def body_in(body: TypeBody, type_id: str) -> Body:
    values = body.model_dump()
    return {"id": type_id, "class": values.pop("fraud_class"), **values}
