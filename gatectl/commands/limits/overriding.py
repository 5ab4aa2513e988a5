"""gatectl limits set|show|list|reset."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatectl.commands import completion
from gatectl.commands.options import DEFAULT_STATE_DIR, OutputOption, Plan, RedisUrl, StateDir
from gatectl.views import view

if TYPE_CHECKING:
    from ratelimit_svc.overrides import Override
    from ratelimit_svc.policy import Limit

User = Annotated[str, typer.Argument(help="Who, as `x-gate-user` names him.")]
SpecFiles = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help="Spec that names gateway and limits, when none runs here.", metavar="FILE"),
]
_LIMIT = typer.Option(
    "--limit", help="A limit that counts by user; repeatable.", metavar="NAME", autocompletion=completion.limits
)
Names = Annotated[list[str] | None, _LIMIT]


def set_(
    user: User,
    rates: Annotated[
        list[str],
        typer.Argument(
            help="As in the spec: 500/minute, several of them, '5 at once', or unlimited.", metavar="RATE..."
        ),
    ],
    limit: Annotated[list[str], _LIMIT],
    ends: Annotated[str | None, typer.Option("--for", help="Until then; else for good.", metavar="DURATION")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the list.", metavar="TEXT")] = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Hold one user to other numbers than everybody, without an apply.

    In force within one second, before the numbers of the limit and of his plan. What is counted already stays.

    Examples:

      gatectl limits set alice --limit per-user 500/minute

      gatectl limits set alice --limit per-user unlimited --for 2h

      gatectl limits set alice 9/second 99/minute --limit per-user
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import overrides
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    known = overrides.known_limits(state_dir, files or [])
    found = overrides.chosen(known, limit)
    wanted = [overrides.override(name, each, user, rates, ends, reason) for name, each in found.items()]
    screen, until = view(output), _moment(wanted[0])
    about = {"user": user, "limits": sorted(found), "rates": ", ".join(rates), "ends_at": until, "reason": reason}
    with act(state_dir, "limits.set", screen.progress, gateway=ring.gateway, **about):
        overrides.put(ring.redis_url, ring.gateway, wanted)
    screen.result("limits-set", [_shown(one, known) for one in wanted])


def show(
    user: User,
    plan: Plan = None,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Show what holds for a user, limit by limit, and why: an override, his plan (as given), or the limit.

    LEFT is what he may send now, for limits that count by nothing that is not known here.

    Examples:

      gatectl limits show alice

      gatectl limits show alice --plan pro -o json
    """
    from gatectl.runtime import overrides
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    known = overrides.known_limits(state_dir, files or [])
    mine = overrides.overrides(ring.redis_url, ring.gateway, user)
    restarts = overrides.restarts_of(ring.redis_url, ring.gateway, user)
    held = overrides.held_to(known, mine, plan)
    left = overrides.left(ring.redis_url, ring.gateway, user, plan, held, restarts)
    told = [
        {
            "limit": name,
            "per": list(limit.per),
            "rates": overrides.written(limit, rates),
            "from": source,
            "plans": {each: overrides.written(limit, of_plan) for each, of_plan in limit.plans.items()},
            "left": left.get(name),
            "counted_since": restarts[name].set_at.isoformat(timespec="seconds") if name in restarts else None,
        }
        for name, limit, rates, source in held
    ]
    data = {"user": user, "plan": plan, "limits": told, "overrides": [_shown(one, known) for one in mine]}
    view(output).result("limits-of-user", data)


def list_(
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """List the overrides in force.

    Examples:

      gatectl limits list

      gatectl limits list -o json
    """
    from gatectl.runtime import overrides
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    known = overrides.known_limits(state_dir, files or [])
    view(output).result("overrides", [_shown(one, known) for one in overrides.overrides(ring.redis_url, ring.gateway)])


def reset(
    user: User,
    limit: Names = None,
    counters: Annotated[bool, typer.Option("--counters", help="His counters start over as well.")] = False,
    files: SpecFiles = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    redis_url: RedisUrl = None,
    output: OutputOption = "human",
) -> None:
    """Take a user's overrides away, all or those of some limits, within one second.

    Examples:

      gatectl limits reset alice

      gatectl limits reset alice --limit per-user --counters
    """
    from gatectl.rollout.acts import act
    from gatectl.runtime import overrides
    from gatectl.runtime.keyring import keyring

    ring = keyring(state_dir, redis_url, files or [])
    known = overrides.known_limits(state_dir, files or [])
    mine = overrides.overrides(ring.redis_url, ring.gateway, user)
    # an override of a limit that is no more can be taken away as well
    gone = [one for one in mine if not limit or one.limit in limit]
    rest = [name for name in limit or () if name not in {one.limit for one in gone}]
    named = {*overrides.chosen(known, rest), *limit} if limit else overrides.by_user(known).keys()
    wanted = [overrides.restart(name, user) for name in sorted(named) if name in known] if counters else []
    screen, names = view(output), sorted(one.limit for one in gone)
    restarted = [one.limit for one in wanted]
    about = {"user": user, "overrides": names, "counters": restarted}
    with act(state_dir, "limits.reset", screen.progress, gateway=ring.gateway, **about):
        overrides.put(ring.redis_url, ring.gateway, wanted, [one.field for one in gone])
    screen.result("limits-reset", about)


def _moment(one: "Override") -> str | None:
    return one.ends_at.isoformat(timespec="seconds") if one.ends_at is not None else None


def _shown(one: "Override", known: "dict[str, Limit]") -> dict[str, Any]:
    from gatectl.runtime.overrides import written

    return {
        "user": one.user,
        "limit": one.limit,
        "rates": written(known.get(one.limit), one.rates),
        "ends_at": _moment(one),
        "reason": one.reason,
        "set_at": one.set_at.isoformat(timespec="seconds"),
    }
