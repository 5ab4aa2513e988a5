"""The peppers of API keys, as the environment of gatectl names them. No spec, bundle or command line holds them."""

import os
from collections.abc import Mapping
from pathlib import Path

from ext_authz.api_key import Peppers
from gatectl.diagnostics import GatectlError

PEPPER, PEPPER_FILE = "GATECTL_PEPPER", "GATECTL_PEPPER_FILE"
OF_THE_SERVICE = {PEPPER: "EXT_AUTHZ_PEPPER", PEPPER_FILE: "EXT_AUTHZ_PEPPER_FILE"}
"""What ext_authz calls them."""
LARGEST_FILE = 1 << 16


def read_peppers(environment: Mapping[str, str] = os.environ) -> Peppers:
    """Those of the file, then the one in the environment itself. Raises GatectlError (64), which quotes none."""
    file, name = environment.get(PEPPER_FILE), PEPPER
    try:
        found = Peppers()
        if file:
            name = PEPPER_FILE
            with Path(file).open("rb") as opened:
                found = Peppers.read(opened.read(LARGEST_FILE).decode("ascii"))
            if not found:
                raise GatectlError(f"{PEPPER_FILE} names a file without a pepper in it", 64)
            name = PEPPER
        return found + Peppers.read(environment.get(PEPPER, ""))
    except OSError as error:
        raise GatectlError(f"{PEPPER_FILE} names a file that cannot be read: {error.strerror}", 64) from None
    except UnicodeDecodeError:
        raise GatectlError(f"{name} must be ASCII text", 64) from None
    except ValueError as error:
        raise GatectlError(f"{name} {error}", 64) from None


def for_the_service(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The same for ext_authz: its environment, with the file's whole name."""
    found = {OF_THE_SERVICE[name]: environment[name] for name in OF_THE_SERVICE if environment.get(name)}
    file = environment.get(PEPPER_FILE)
    return found | ({OF_THE_SERVICE[PEPPER_FILE]: str(Path(file).absolute())} if file else {})


def without_peppers(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for whoever has no business with them."""
    names = {*OF_THE_SERVICE, *OF_THE_SERVICE.values()}
    return {name: value for name, value in environment.items() if name not in names}
