"""Start of `python bot.py run` on the sample county: seconds until it serves pages and until everything runs, and memory.

Limits: serving within 2 s, 150 MiB resident. The peer in the same run is Python importing the same libraries, below
which no start can be.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
LIBRARIES = (
    "import aiohttp.web, sqlalchemy.ext.asyncio, aiosqlite, pydantic_settings, apscheduler.schedulers.asyncio, typer"
)


def started(environment: dict[str, str], port: int) -> tuple[float, float, float]:
    """(seconds to the first page, seconds until all runs, MiB resident two seconds later) of one start."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "bot.py", "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        served = _first_page(port, begin)
        assert process.stdout is not None
        while "已启动" not in process.stdout.readline():
            pass
        running = time.perf_counter() - begin
        time.sleep(2)
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return served, running, int(found[1]) / 1024
    finally:
        process.terminate()
        process.wait(10)


def _first_page(port: int, begin: float) -> float:
    while time.perf_counter() - begin < 60:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=5) as page:
                page.read()
                return time.perf_counter() - begin
        except OSError:
            time.sleep(0.01)
    raise SystemExit("the program does not serve")


def floor() -> float:
    """Seconds that the libraries alone take to import."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    return time.perf_counter() - begin


def main() -> None:
    port = 18_080
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "XINFANG_DATA_DIR": folder,
            "XINFANG_PORT": str(port),
            "XINFANG_LOG_LEVEL": "error",
        }
        sample = str(ROOT / "bot" / "samples" / "shengsi.xlsx")
        command = [sys.executable, "bot.py", "units", "import", sample, "--yes", "--json"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        started(environment, port)  # warms the disk's cache
        rounds = [started(environment, port) for _ in range(ROUNDS)]
        bare = statistics.median(floor() for _ in range(ROUNDS))
    served, running, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"start: serving pages {served:.2f} s (limit 2), everything runs {running:.2f} s,"
        f" resident {memory:.0f} MiB (limit 150); libraries alone {bare:.2f} s, ratio {served / bare:.1f}"
    )


if __name__ == "__main__":
    main()
