"""What one user may have instead of what a limit says, and from when on he is counted anew.

Shared with gatectl, which writes the records that the service reads. Pure: no I/O, no clock.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from ratelimit_svc.keys import polled_key
from ratelimit_svc.policy import Limit, Rate, Rates, fault_of

MAX_RECORDS = 1000
"""Of a gateway. Whoever is more than an exception has a plan."""


class _Record(BaseModel):
    """JSON in the Redis hash ``redis_key(gateway)`` under ``field``. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    limit: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    set_at: AwareDatetime


class Override(_Record):
    """``rates`` hold for the user until ``ends_at``; None: until it is taken away. No rates at all: unlimited."""

    kind: Literal["override"] = "override"
    rates: Rates
    ends_at: AwareDatetime | None = None
    reason: Annotated[str, StringConstraints(max_length=256)] | None = None

    @property
    def field(self) -> str:
        """One override for a user and a limit: setting it again replaces it."""
        return field_of(self.kind, self.user, self.limit)


class Restart(_Record):
    """The user's counters of the limit start over. ``epoch`` was never before, and goes into the counters' names."""

    kind: Literal["restart"] = "restart"
    epoch: Annotated[str, StringConstraints(min_length=1, max_length=64)]

    @property
    def field(self) -> str:
        """One restart for a user and a limit, the last one."""
        return field_of(self.kind, self.user, self.limit)


Record = Override | Restart
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def read(document: str | bytes) -> Record:
    """A record from its JSON. Raises ValueError (pydantic.ValidationError) when it is none."""
    return _RECORD.validate_json(document)


def field_of(kind: Literal["override", "restart"], user: str, limit: str) -> str:
    """The field of a record in the hash: JSON, never joined names."""
    return json.dumps([kind, user, limit])


def caller(user: str) -> str:
    """The value of the dimension ``user`` of a caller who is known by his name."""
    return f"user:{user}"


def redis_key(gateway: str) -> str:
    """Name of the Redis hash that holds a gateway's records."""
    return polled_key(gateway, "overrides")


def version_key(gateway: str) -> str:
    """Name of the Redis string that changes, to something it never was before, with every change of the hash."""
    return polled_key(gateway, "overrides:version")


class Overrides:
    """The records of a gateway, in one look-up for a call however many there are."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._rates: dict[tuple[str, str], tuple[Sequence[Rate], float]] = {}
        self._epochs: dict[tuple[str, str], str] = {}
        for one in records:
            at = one.limit, caller(one.user)
            if isinstance(one, Restart):
                self._epochs[at] = one.epoch
            else:
                ends_ms = one.ends_at.timestamp() * 1000 if one.ends_at is not None else float("inf")
                self._rates[at] = one.rates, ends_ms

    def rates(self, name: str, limit: Limit, user: str, now_ms: int) -> Sequence[Rate] | None:
        """The rates of a ``user`` (a value of the dimension ``user``) at a time; None: the limit's own hold.

        An override that the limit cannot count by, since the spec was changed, is none.
        """
        found = self._rates.get((name, user))
        if found is None or now_ms >= found[1]:
            return None
        return None if faults(limit, found[0]) else found[0]

    def epoch(self, name: str, user: str) -> str:
        """What the user's counters of a limit are named with; empty: nothing."""
        return self._epochs.get((name, user), "")


def faults(limit: Limit, rates: Sequence[Rate]) -> list[str]:
    """Why a limit cannot hold a user to these rates, as sentences."""
    found = [fault for rate in rates if (fault := fault_of(limit.algorithm, rate)) is not None]
    if len({rate.period or rate.window_ms for rate in rates}) != len(rates):
        found.append("two rates have the same window")
    if "user" not in limit.per:
        found.append("the limit does not count by user")
    return found
