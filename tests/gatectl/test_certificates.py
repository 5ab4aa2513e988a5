"""The certificates of an Envoy that really has some, and what is made of the answers of somebody else."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatectl.rollout.certificates import parse
from gatectl.rollout.envoy_binary import find_envoy
from gatectl.rollout.observer import Observer
from gatectl.rollout.status import Status
from tests.gatectl.authorities import certify
from tests.gatectl.gateways import until

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
DAYS = {"soon": 10, "later": 90, "trusted": 400}


def listener(name: str, chain: str, key: str) -> dict[str, Any]:
    context = {"tls_certificates": [{"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]}
    socket = {
        "name": "tls",
        "typed_config": {"@type": f"{TLS}.DownstreamTlsContext", "common_tls_context": context},
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"transport_socket": socket, "filters": []}],
    }


def envoy_with(directory: Path, days: Mapping[str, float]) -> dict[str, Any]:
    """A bootstrap: a TLS listener for each name, and an upstream that trusts the certificate ``trusted``."""
    listeners = [
        listener(name, *certify(name, names=[f"{name}.example"], days=left).write(directory, name))
        for name, left in days.items()
        if name != "trusted"
    ]
    trusted = certify("trusted", days=days["trusted"]).write(directory, "trusted")[0]
    context = {"validation_context": {"trusted_ca": {"filename": trusted}}}
    upstream = {
        "name": "tls",
        "typed_config": {"@type": f"{TLS}.UpstreamTlsContext", "common_tls_context": context},
    }
    return {
        "admin": {"address": {"pipe": {"path": str(directory / "admin")}}},
        "static_resources": {
            "listeners": listeners,
            "clusters": [{"name": "up", "connect_timeout": "1s", "transport_socket": upstream}],
        },
    }


@contextmanager
def seen(days: Mapping[str, float]) -> Iterator[Status]:
    with tempfile.TemporaryDirectory(prefix="gc-") as name:  # a socket's path must be short
        directory = Path(name)
        (directory / "envoy.json").write_text(json.dumps(envoy_with(directory, days)))
        command = [str(find_envoy()), "-c", str(directory / "envoy.json"), "--disable-hot-restart", "-l", "error"]
        process = subprocess.Popen([*command, "--concurrency", "1"])
        try:
            with closing(Observer(directory / "state", [str(directory / "admin")])) as eye:
                until(lambda: len(eye.look().certificates) == len(days), "Envoy is up")
                yield eye.look()
        finally:
            process.kill()
            process.wait()


@pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
def test_every_certificate_is_told_and_the_soonest_expiry_comes_first() -> None:
    with seen(DAYS) as status:
        found = status.data()["nodes"][0]["certificates"]
        assert [(one["kind"], Path(one["path"]).stem, one["days"]) for one in found] == [
            ("own", "soon", 10),
            ("own", "later", 90),
            ("trusted", "trusted", 400),
        ]
        assert found[0]["names"] == ("soon.example",)


@pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")
def test_an_expired_certificate_is_told() -> None:
    with seen({"gone": -2, "trusted": 400}) as status:
        assert status.data()["nodes"][0]["certificates"][0]["days"] < 0
        assert status.certificates[0].expires_at < status.at


def test_a_certificate_that_several_contexts_use_comes_once() -> None:
    entry = {"path": "a.pem", "serial_number": "1", "expiration_time": "2030-01-01T00:00:00Z", "subject_alt_names": []}
    found = parse(
        {"certificates": [{"ca_cert": [], "cert_chain": [entry]}, {"ca_cert": [entry], "cert_chain": [entry]}]}
    )
    assert [one.kind for one in found] == ["own", "trusted"]


def test_those_who_are_trusted_are_good_for_as_long_as_one_of_them_is() -> None:
    roots = [
        {"path": "", "serial_number": serial, "expiration_time": f"{year}-01-01T00:00:00Z", "subject_alt_names": []}
        for serial, year in (("1", 2020), ("2", 2040), ("3", 2030))
    ]
    assert [one.serial for one in parse({"certificates": [{"ca_cert": roots, "cert_chain": []}]})] == ["2"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("2030-01-01T00:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "certificates",
                    "cert_chain",
                    "ca_cert",
                    "path",
                    "serial_number",
                    "expiration_time",
                    "subject_alt_names",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(VALUES)
def test_whatever_somebody_else_answers_is_no_crash(document: Any) -> None:
    parse(document)
    parse({"certificates": [{"cert_chain": [document], "ca_cert": document}]})
