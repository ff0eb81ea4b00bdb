"""One gateway process for all tests, emptied for each: it takes seconds to start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.gateway.driver import Gateway


@pytest.fixture(scope="session")
def gateway_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("gateway"))
    yield gateway
    gateway.kill()


@pytest.fixture
async def gateway(gateway_process: Gateway) -> AsyncIterator[Gateway]:
    """A gateway that is logged in, with nobody on it. A test may kill it."""
    if not gateway_process.running:
        gateway_process.start()
    await gateway_process.tell("reset")
    yield gateway_process
    if gateway_process.running:
        gateway_process.thaw()
