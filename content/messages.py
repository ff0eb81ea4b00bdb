"""How an alert reads in a group."""

from __future__ import annotations

MAX_TEXT = 600  # characters of one WeChat message that people still read (domain facts)

_STOCK = "遇可疑来电、短信、链接，先问反诈专线 96110；已经转账，马上拨打 110。"
_ASK = "请各单位、各网格立即转发到所辖群。"
_INSTEAD = "，请以本条为准"
FRAME = (_STOCK, _ASK, _INSTEAD)
"""What every alert says: it tells nothing about which alert a text is."""


def render_alert(
    *, severity: str, title: str, body: str, office: str, number: str, relation: str = "", related: str = ""
) -> str:
    """The text of an alert: heading, what happened, what to do, who says so and the number to ask about.

    `severity` is the Chinese colour (红色 …); `relation` is 更正 or 撤销 and `related` the earlier alert's number.
    """
    heading = f"【{severity}预警】{title}"
    if relation:
        heading = f"【{relation}】{title}\n（{relation}预警 {related}{_INSTEAD}）"
    return f"{heading}\n\n{body.strip()}\n\n{_STOCK}\n{_ASK}\n——{office} {number}"


def room_for_body(*, severity: str, title: str, office: str, relation: str = "", related: str = "") -> int:
    """How many characters the body may have so that the whole message stays within `MAX_TEXT`."""
    number = "00000000-00"
    frame = render_alert(
        severity=severity,
        title=title,
        body="",
        office=office,
        number=number,
        relation=relation,
        related=related or number,
    )
    return MAX_TEXT - len(frame)
