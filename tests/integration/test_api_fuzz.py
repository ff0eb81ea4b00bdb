"""schemathesis drives every operation by the API's own description: no 5xx, and no answer that is not described."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import sqlalchemy as sa

from db.models import ApiToken, User
from db.session import Database
from db.states import Role, TokenScope
from tests.api import make_token, make_work
from tests.console import make_county, open_console

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
"""All but `positive_data_acceptance`: what the description cannot say (a title that leaves no room for the body, an
alert in the wrong state) is refused as well, with a documented answer."""
SEED, EXAMPLES = 20261121, 3
CONFIG = """
[phases.coverage]
unexpected-methods = ["TRACE"]

[[operations]]
include-name = ["PUT /api/v1/alerts/{id}", "POST /api/v1/registry/preview", "POST /api/v1/library/preview"]
phases.coverage.enabled = false

[dictionaries.ids]
values = [1, 2, 3, 4]

[dictionaries.types]
values = ["shuadan", "kefu"]

[parameters]
"path.id" = { dictionary = "ids", probability = 0.8 }
"path.alert" = { dictionary = "ids", probability = 0.8 }
"path.delivery" = { dictionary = "ids", probability = 0.8 }
"path.type" = { dictionary = "types", probability = 0.8 }
"""
"""Numbers that rows have, so that most requests are not only told that there is no such thing. Bodies that another
operation takes as well are not gone through field by field twice."""


async def test_every_answer_is_described(sqlite_database: Database, tmp_path: Path) -> None:
    async with open_console(sqlite_database, api_per_minute=1_000_000, login_attempts=100) as console:
        county = await make_county(console.database)
        await make_work(console, county)
        token = await make_token(console, Role.ADMIN, *TokenScope)
        answer = await console.client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {token}"})
        described = tmp_path / "openapi.json"
        described.write_text(json.dumps(await answer.json()), encoding="utf-8")
        (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
        keeping = asyncio.create_task(_keep(console.database))
        code, told = await _run(described, f"http://127.0.0.1:{console.client.port}", token, tmp_path)
        keeping.cancel()
    assert code == 0, told[-6000:]
    print(told)


async def _keep(database: Database) -> None:
    """Among all operations are those that end one's own token, or lock oneself out: the run must go on."""
    while True:
        async with database.write() as session:
            await session.execute(sa.update(ApiToken).values(revoked_at=None))
            await session.execute(sa.update(User).values(must_change=False))
        await asyncio.sleep(0.1)


async def _run(described: Path, url: str, token: str, folder: Path) -> tuple[int | None, str]:
    arguments = ("run", described, "--url", url, "-H", f"Authorization: Bearer {token}", "--no-color")
    bounds = (
        "--seed",
        SEED,
        "-n",
        EXAMPLES,
        "--phases",
        "examples,coverage,fuzzing",
        "--generation-database",
        "none",
    )
    what = ("--checks", ",".join(CHECKS), "--suppress-health-check", "all")
    process = await asyncio.create_subprocess_exec(
        *map(str, (sys.executable, "-m", "schemathesis.cli", *arguments, *bounds, *what)),
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode(errors="replace")
