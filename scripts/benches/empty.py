"""The gateway's server with an empty handler: what the web server alone can take.

python -m scripts.benches.empty PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from litestar import Litestar, Request, post
from litestar.enums import MediaType


@post("/webhooks/stripe/{account:str}", status_code=200, media_type=MediaType.TEXT)
async def take(account: str, request: Request[Any, Any, Any]) -> str:
    """Read the body and say yes."""
    del account
    await request.body()
    return "ok"


def app() -> Litestar:
    return Litestar([take], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    uvicorn.run(
        "scripts.benches.empty:app",
        factory=True,
        port=int(sys.argv[1]),
        workers=2,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=2048,
    )
