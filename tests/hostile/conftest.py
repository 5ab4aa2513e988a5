from collections.abc import Iterator

import pytest

from tests.hostile.fort import Fort, running_fort


@pytest.fixture(scope="package")
def running() -> Iterator[Fort]:
    with running_fort() as fort:
        yield fort


@pytest.fixture(scope="module")
def fort(running: Fort) -> Fort:
    """The gateway, with nothing left over from the module before."""
    running.upstream.take()
    return running
