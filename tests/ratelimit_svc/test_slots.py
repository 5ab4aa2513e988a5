"""Who has which slot, from what a Cluster's node says."""

import pytest

from ratelimit_svc.redis.slots import Realm, read, slot_of, unserved

ASKED = ("h", 7000)


def test_the_slot_of_a_key_is_that_of_its_braces() -> None:
    assert slot_of("123456789") == 0x31C3  # the cluster specification's own check value
    assert slot_of("gatectl:rl:{123456789}:1000") == 0x31C3


def test_a_reply_becomes_a_table_and_a_node_without_a_name_is_where_it_was_asked() -> None:
    reply = [
        [0, 1, [b"a", 1, b"id", []], [b"replica", 9, b"id", []]],
        [2, 2, [b"", 2, b"id"]],
        [3, 3, [b"?", 3, b"id"]],
        [4, 4, [None, 4, b"id"]],
        [16383, 16383, [b"z", 5, b"id"]],
    ]
    table = read(reply, ASKED)
    assert table[:6] == [("a", 1), ("a", 1), ("h", 2), ("h", 3), ("h", 4), None]
    assert table[-1] == ("z", 5)
    assert len(table) == 16384


@pytest.mark.parametrize("bounds", [(-1, 2), (2, 1), (0, 16384)])
def test_a_slot_that_does_not_exist_makes_no_table(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        read([[*bounds, [b"a", 1, b"id"]]], ASKED)


def test_a_realm_is_what_the_table_says_now() -> None:
    table = unserved()
    realm = Realm(table, ASKED)
    assert realm.tag() == "probe"
    table[slot_of("k")] = ASKED
    assert realm.has(slot_of("k"))
    assert slot_of(realm.tag()) == slot_of("k")
    table[slot_of("k")] = ("other", 1)
    assert not realm.has(slot_of("k"))
