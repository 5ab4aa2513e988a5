"""Options that several commands of keys share, and a record as they show it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gatectl.runtime.api_keys import ListedKey

KeyId = Annotated[str, typer.Argument(help="Id of the key, as `keys list` shows it.", metavar="KEY_ID")]
SpecFiles = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", help="Spec that names the gateway, when none runs here.", metavar="FILE"),
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="A label of the key; repeatable.", metavar="NAME=VALUE")
]


def shown(listed: "ListedKey") -> dict[str, Any]:
    """A record as it may be shown: of the hash only how it was made."""
    from gatectl.runtime.api_keys import state

    record, used = listed
    return {
        **record.model_dump(mode="json", exclude={"hash": {"digest"}}),
        "state": state(record, datetime.now(UTC)),
        "last_used_at": used.isoformat().replace("+00:00", "Z") if used is not None else None,
    }
