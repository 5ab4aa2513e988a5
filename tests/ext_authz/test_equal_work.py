"""What a refusal costs tells nothing of whether the key exists."""

import sys
import zlib
from collections import Counter
from types import FrameType
from typing import Any

from ext_authz.identity import Refusal
from tests.ext_authz.conftest import Keys
from tests.ext_authz.worlds import POLICY, request

SECRET_WORK = ("sha256", "compare_digest", "digest", "hexdigest", "hmac", "update", "copy", "crc32")


def with_id(key_id: str, number: int) -> str:
    """A well-formed key with an id, and a secret that is nobody's."""
    body = f"gk_{key_id}_{number:050d}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


async def test_an_unknown_id_and_a_wrong_secret_are_hashed_and_compared_the_same_number_of_times(keys: Keys) -> None:
    known = (await keys.create()).split("_")[1]
    for key_id in (known, "u" * 12):
        await keys.judge(with_id(key_id, 0))  # from here on both are answered from memory

    def work(key: str) -> Counter[str]:
        done: Counter[str] = Counter()

        def watch(_: FrameType, event: str, called: Any) -> None:
            if event == "c_call":
                done.update(word for word in SECRET_WORK if called.__name__.endswith(word))

        sys.setprofile(watch)
        try:
            outcome = keys.authenticator.authenticate(POLICY, request(), key, 0)
        finally:
            sys.setprofile(None)
        assert isinstance(outcome, Refusal)
        assert outcome.reason.code == "key-invalid"
        return done

    wrong_secret, unknown_id = work(with_id(known, 1)), work(with_id("u" * 12, 1))
    assert wrong_secret == unknown_id
    assert wrong_secret["compare_digest"] == 1
