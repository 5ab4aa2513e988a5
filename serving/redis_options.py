"""A :class:`serving.redis_location.Location` in redis-py's words."""

from typing import Any

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from serving.redis_location import Location, Login


class LoginProvider(CredentialProvider):
    """What a new connection logs in with: a password file is read again each time."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """(password,) or (user, password). Raises AuthenticationError: a file that cannot be read opens nothing."""
        try:
            credentials = self._login.credentials()
        except (OSError, ValueError):
            raise AuthenticationError("the password file cannot be read") from None
        return credentials  # type: ignore[return-value]  # one or two: for none there is no provider

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same."""
        return self.get_credentials()


def connection_options(location: Location, seconds: float) -> dict[str, Any]:
    """Arguments of a connection to any server of ``location``, apart from its address and from ``ssl=True``.

    ``seconds`` bounds the attempt to connect.
    """
    database = {"db": location.database} if location.database else {}
    return {"socket_connect_timeout": seconds, **database, **_login(location.login), **(location.tls or {})}


def sentinel_options(location: Location, seconds: float) -> dict[str, Any]:
    """Arguments of a client of a Sentinel. ``seconds`` bounds every question."""
    tls = {} if location.tls is None else {"ssl": True, **location.tls}
    patience = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    return {**patience, **_login(location.sentinel_login), **tls}


def _login(login: Login) -> dict[str, Any]:
    known = login.password is not None or login.password_file is not None
    return {"credential_provider": LoginProvider(login)} if known else {}
