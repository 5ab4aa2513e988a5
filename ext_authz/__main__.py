"""``python -m ext_authz`` and the ``ext-authz`` command."""

from ext_authz.service import SERVICE
from serving import supervisor


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    raise SystemExit(supervisor.main(SERVICE))


if __name__ == "__main__":
    main()
