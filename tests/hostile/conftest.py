from collections.abc import Iterator

import pytest

from tests.hostile.fort import Fort, running_fort


@pytest.fixture(scope="package")
def fort() -> Iterator[Fort]:
    with running_fort() as fort:
        yield fort
