"""Who can read along, and who could pass for somebody else."""

import ipaddress
from collections.abc import Iterator

from gatectl.lint.rule import Found, Rule
from gatectl.lint.subject import Subject, Thing


def _not_verified(subject: Subject) -> Iterator[Found]:
    for name, upstream in subject.spec.upstreams.items():
        if upstream.tls is not None and upstream.tls.insecure_skip_verify:
            at = subject.at("upstreams", name, "tls", "insecure_skip_verify")
            yield Found(Thing("upstream", name), "can be anybody who answers: its certificate is not verified", at)


def _plain_credentials(subject: Subject) -> Iterator[Found]:
    listener, authentication = subject.spec.listener, subject.spec.authentication
    near = ipaddress.ip_address(listener.address).is_loopback
    proven = authentication.api_keys is not None or authentication.jwt
    # a proxy in front of which the spec knows may be the one that ends TLS
    if listener.tls is None and proven and not near and not listener.trusted_proxies:
        yield Found(Thing("listener"), "takes credentials in plain text", subject.at("listener", "address"))


def _local_certificate(subject: Subject) -> Iterator[Found]:
    tls = subject.spec.listener.tls
    if tls is not None and tls.local:
        at = subject.at("listener", "tls", "local")
        yield Found(Thing("listener"), "shows a certificate that `gatectl up` made", at)


RULES: tuple[Rule, ...] = (
    Rule(
        "GL090",
        "not-verified",
        "error",
        "security",
        30,
        "an upstream is not verified",
        "Whoever is on the way answers in its place, and reads and changes requests and the identity headers.",
        "Name its authority in `ca`, a self-signed certificate itself; `san` when it is for another name.",
        _not_verified,
    ),
    Rule(
        "GL091",
        "plain-credentials",
        "info",
        "security",
        1,
        "the listener takes credentials in plain text",
        "Whoever is on the way can take over every key and token, unless something in front ends TLS.",
        "Give the listener `tls`, bind it to the address that only the TLS proxy reaches, or ignore this and name it.",
        _plain_credentials,
    ),
    Rule(
        "GL092",
        "local-certificate",
        "info",
        "security",
        2,
        "the listener shows a certificate for development",
        "No client believes it without being told to, and people get used to clicking warnings away.",
        "In production lay a file over it with `certificate` and `key`.",
        _local_certificate,
    ),
)
