"""schemathesis drives every operation by the API's own description: no 5xx, and no answer that is not described."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

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
SEED, EXAMPLES = 20261121, 4


async def test_every_answer_is_described(sqlite_database: Database, tmp_path: Path) -> None:
    async with open_console(sqlite_database, api_per_minute=1_000_000, login_attempts=100) as console:
        county = await make_county(console.database)
        await make_work(console, county)
        token = await make_token(console, Role.ADMIN, *TokenScope)
        answer = await console.client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {token}"})
        described = tmp_path / "openapi.json"
        described.write_text(json.dumps(await answer.json()), encoding="utf-8")
        code, told = await _run(described, f"http://127.0.0.1:{console.client.port}", token, tmp_path)
    assert code == 0, told[-6000:]


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
