"""From a proposal to a receipt: the plan is shown, somebody approves, and what happens can be followed."""

from typing import TYPE_CHECKING, Any

from gatectl.views import View

if TYPE_CHECKING:
    from gatectl.rollout.proposal import Proposal


def carry_out(
    proposal: "Proposal",
    shown: View,
    timeout: float,
    message: str | None,
    *,
    approved: bool,
    deletes: bool,
    quiet: bool,
    wait: bool = True,
) -> int:
    """Returns the exit code: 1 when the user says no. ``quiet``: only the receipt is a result. Raises GatectlError."""
    from gatectl.rollout.plan import refuse_mass_deletion

    plan = proposal.plan
    if wait:
        proposal.refuse_nobody()
    if not quiet:
        shown.result("planned", plan.data())
    if not deletes:
        refuse_mass_deletion(plan)
    if plan.changed and not approved and not shown.confirms(f"\nBring {plan.revision} into force?"):
        shown.failure("nothing was changed")
        return 1
    with shown.following(proposal.targets.everybody) as on_event:
        receipt = proposal.carry_out(timeout, message, on_event)
    data: dict[str, Any] = {
        "gateway": plan.gateway,
        "revision": receipt.revision,
        "previous": receipt.previous,
        "changed": receipt.changed,
        "proven": list(receipt.proven),
        "seconds": round(receipt.seconds, 3),
        "plan": plan.data(),
    }
    shown.result("applied", data)
    return 0
