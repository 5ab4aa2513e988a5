"""The small types of the spec: durations, sizes, rates, names. Text in, plain numbers out."""

import base64
import hashlib
import ipaddress
import re
import unicodedata
import zoneinfo
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ext_authz.api_key import PREFIX
from ext_authz.policy import is_name

# not \d, which takes the digits of every script; and bounded, because a number has to fit into a float or an int
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")
_SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_RATE = re.compile(r"([0-9]{1,16})/(?:(second|minute|hour|day)|([0-9]{1,15}(?:\.[0-9]{1,9})?(?:ms|s|m|h|d)))")
_RATE_UNITS = {"second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_SERVER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
LONGEST_MS = 366 * 86_400_000


def _unreadable(what: str, example: str) -> PydanticCustomError:
    return PydanticCustomError("unreadable", "{what}, such as {example}", {"what": what, "example": example})


def parse_duration(value: Any) -> int:
    """``500ms``, ``30s``, ``5m``, ``1.5h``, ``2d`` → whole milliseconds, 1 ms to 366 days."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _unreadable("not a duration: a number with one of ms, s, m, h, d", "30s")
    milliseconds = round(float(match[1]) * _DURATION_UNITS[match[2]])
    if not 1 <= milliseconds <= LONGEST_MS:
        raise _unreadable("a duration from 1ms to 366d is needed", "30s")
    return milliseconds


def write_duration(milliseconds: int) -> str:
    """The shortest text that ``parse_duration`` reads as ``milliseconds``: ``30s``, ``1500ms``."""
    unit = next(unit for unit, size in reversed(_DURATION_UNITS.items()) if milliseconds % size == 0)
    return f"{milliseconds // _DURATION_UNITS[unit]}{unit}"


def parse_size(value: Any) -> int:
    """``512B``, ``32KiB``, ``1MiB`` → bytes, at least 1."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 1 <= (size := int(match[1]) * _SIZE_UNITS[match[2]]) < 1 << 32:
        raise _unreadable("not a size: a whole number with one of B, KiB, MiB, GiB, below 4GiB", "1MiB")
    return size


def write_size(size: int) -> str:
    """The shortest text that ``parse_size`` reads as ``size`` bytes: ``1MiB``."""
    unit = next(unit for unit, factor in reversed(_SIZE_UNITS.items()) if size % factor == 0)
    return f"{size // _SIZE_UNITS[unit]}{unit}"


class Rate(NamedTuple):
    """``requests`` per ``window_ms`` milliseconds."""

    requests: int
    window_ms: int


def parse_rate(value: Any) -> Rate:
    """``100/minute``, ``10/second``, ``50/90s`` → Rate. 0 requests is allowed and refuses everything."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 2**53:
        raise _unreadable("not a rate: requests per second, minute, hour, day or duration", "100/minute or 50/90s")
    return Rate(int(match[1]), _RATE_UNITS[match[2]] if match[2] else parse_duration(match[3]))


def write_rate(rate: Rate) -> str:
    """The shortest text that ``parse_rate`` reads as ``rate``: ``100/minute``."""
    words = {milliseconds: word for word, milliseconds in _RATE_UNITS.items()}
    return f"{rate.requests}/{words.get(rate.window_ms) or write_duration(rate.window_ms)}"


def _no_control_characters(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Co", "Cs", "Cn"} for character in text):
        raise PydanticCustomError("malformed", "control and private-use characters are not allowed here")
    return text


def _normal(path: str) -> str:
    """Envoy normalises the path of a request before it looks for a route: others could never match."""
    segments = re.sub("%2[eE]", ".", path).split("/")[1:]
    if any(segment in {".", ".."} for segment in segments) or "" in segments[:-1]:
        raise PydanticCustomError("malformed", "a path has no empty segment, and none that is . or ..")
    if re.search("%(?![0-9A-Fa-f]{2})|%2[fF]|%5[cC]", path):
        raise PydanticCustomError("malformed", "% begins a code such as %20, and escaped slashes are refused")
    return path


def is_address(host: str) -> bool:
    """Whether a host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _address(text: str) -> str:
    if not is_address(text):
        raise PydanticCustomError("malformed", "an IP address is needed, such as 0.0.0.0 or ::")
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        message = "a network is needed, without bits behind its prefix, such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"
        raise PydanticCustomError("malformed", message) from None


def _bracketed(endpoint: str) -> str:
    if endpoint.startswith("["):
        _address(endpoint[1:].partition("]")[0])
    return endpoint


def _pin(text: str) -> str:
    """Envoy takes the digest as it is; one of another length would match nothing."""
    try:
        whole = len(base64.b64decode(text, validate=True)) == hashlib.sha256().digest_size
    except ValueError:
        whole = False
    if not whole:
        raise PydanticCustomError("malformed", "a pin is the SHA-256 of a public key in base64: 44 characters")
    return text


def _subject_name(text: str) -> str:
    if "://" not in text and not _SERVER_NAME.fullmatch(text) and not is_address(text):
        raise PydanticCustomError("malformed", "a host name, an IP address or a URI is needed")
    return text


def _time_zone(text: str) -> str:
    if text not in zoneinfo.available_timezones():
        raise PydanticCustomError("malformed", "not a time zone of the IANA database, such as Europe/Berlin or UTC")
    return text


def said(words: str) -> WrapValidator:
    """Tells in words what the pattern of a type lets pass: a person reads it, and no machine."""

    def check(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError as error:
            if error.errors(include_url=False)[0]["type"] != "string_pattern_mismatch":
                raise
            raise PydanticCustomError("malformed", "{words}", {"words": words}) from None

    return WrapValidator(check)


def _given(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("malformed", "a value is needed, or leave the field out")
    return value


T = TypeVar("T")
Omittable = Annotated[T | None, BeforeValidator(_given)]
"""A field that may be left out, but not left empty: an empty ``roles:`` must not mean that every role will do."""
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$", "examples": ["30s"]}),
]
"""Milliseconds, written ``30s``."""
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(write_size, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^{_SIZE.pattern}$", "examples": ["1MiB"]}),
]
"""Bytes, written ``1MiB``."""
RateField = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(write_rate, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^{_RATE.pattern}$", "examples": ["100/minute"]}),
]
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$"),
    said("a name is made of lower-case letters, digits and dashes, 63 at most"),
]
"""Lower-case letters, digits and dashes: safe in metrics, headers, file and resource names."""


def _identity_name(text: str) -> str:
    if not is_name(text):
        message = "not a user's name: up to 256 printable characters without commas or outer spaces, and not just -"
        raise PydanticCustomError("malformed", message)
    return text


UserName = Annotated[str, AfterValidator(_identity_name)]
"""What ext_authz accepts as a user id."""
AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A property of a user, as ``where`` names it: ``user.<attribute>``."""
Permission = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*(:[a-z0-9][a-z0-9_-]*)*$", max_length=128)]
"""``tickets:read``."""
PermissionPattern = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9_-]*:)*([a-z0-9][a-z0-9_-]*|\*)$", max_length=128)
]
"""A permission, or with ``*`` as its last word all that begin so: ``tickets:*``."""
WHERE_LENGTH = 1024
Expression = Annotated[str, StringConstraints(min_length=1, max_length=WHERE_LENGTH)]
"""A condition (``gatectl.spec.conditions``)."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_no_control_characters)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^`|~-]{1,128}$")]
"""RFC 9110 token without the underscore, which Envoy refuses at the edge."""
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,128}$")]
"""Of a query parameter or a cookie: characters that need no escape in either (RFC 3986 section 2.3)."""
KeyPrefix = Annotated[str, StringConstraints(pattern=rf"^{PREFIX}$")]
"""What the API keys of a gateway begin with."""
HeaderValue = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[\t\x20-\x7e]*$")]
Method = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,20}$")]
Path = Annotated[
    str,
    StringConstraints(pattern=r"^/[A-Za-z0-9._~!$&'()*+,=:@/%-]*$", max_length=2048),
    AfterValidator(_normal),
]
"""An absolute path without query, fragment, or ``;``, as it is after normalisation (RFC 3986, section 6.2.2)."""
PathTemplate = Annotated[
    str,
    StringConstraints(pattern=r"^(/([A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\}))+$", max_length=2048),
    AfterValidator(_normal),
]
"""``/customers/{customer_id}/notes``: a variable is one whole segment."""
Host = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
"""A host name without port, lower-case; ``*.example.com`` matches every name below."""
Port = Annotated[int, Field(ge=1, le=65535)]
TimeZone = Annotated[Text, AfterValidator(_time_zone)]
"""By its IANA name: ``Europe/Berlin``."""
Address = Annotated[Text, AfterValidator(_address)]
"""An IP address."""
Network = Annotated[Text, AfterValidator(_network)]
"""Addresses in CIDR notation; one address is a network, too, and gets its length."""
Endpoint = Annotated[
    str,
    StringConstraints(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"),
    AfterValidator(_bracketed),
]
"""``host:port``; an IPv6 address stands in brackets."""
Pin = Annotated[str, AfterValidator(_pin)]
"""SHA-256 of a certificate's public key (SubjectPublicKeyInfo) in base64, as in RFC 7469, section 2.4."""
ServerName = Annotated[str, StringConstraints(pattern=rf"^{_SERVER_NAME.pattern}$", max_length=253)]
"""A host name, as a client asks for it while it connects."""
SubjectName = Annotated[Text, AfterValidator(_subject_name)]
"""Whom a certificate is for: a host name, an IP address or a URI."""
