"""The process that draws: requests come in by standard input, pictures go out by standard output. `bot.charts` runs it.

A request is a line of JSON (`spec`, `kind` svg or png, `scale`). An answer is eight bytes, its length, negative for a
fault that is described by what follows. The drawing engine (V8, 90 MiB) lives here and ends with this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from typing import Any, BinaryIO


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    with contextlib.suppress(OSError):
        os.nice(10)  # nobody waits for a chart as urgently as for an answer
    for line in requests:
        try:
            answer, sign = draw(**json.loads(line)), 1
        except Exception as error:  # whatever the engine says about a chart: the next one may be in order
            answer, sign = str(error).encode()[:2000] or b"?", -1
        answers.write(struct.pack(">q", sign * len(answer)) + answer)
        answers.flush()


def draw(spec: dict[str, Any], kind: str, scale: float) -> bytes:
    """Nothing is fetched: a spec that names an address for its data fails."""
    import vl_convert

    if kind == "png":
        return bytes(vl_convert.vegalite_to_png(spec, scale=scale, allowed_base_urls=[]))
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])).encode()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
