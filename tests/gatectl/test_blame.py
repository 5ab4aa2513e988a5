"""A refusal names the place in the spec that it is about, and keeps Envoy's own words."""

import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gatectl.compiler import compile_spec
from gatectl.diagnostics import GatectlError, SpecError
from gatectl.render.bundle import Bundle, build
from gatectl.rollout.apply import Order, apply
from gatectl.rollout.candidate import prove, read
from gatectl.rollout.stages import CDS
from gatectl.rollout.targets import Node, Targets
from gatectl.spec.load import load
from gatectl.spec.record import Record, record
from tests.gatectl.gateways import Gateway, until
from tests.gatectl.test_apply import KINDS, spoilt

# httpcore forgets to close a unix socket whose connect fails; it is freed at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket.*family=1:ResourceWarning")

SPEC = """\
version: 1
name: small
listener: {address: 127.0.0.1, port: PORT}
authentication: {api_keys: {}}
upstreams:
  one: {endpoints: ["127.0.0.1:9001"]}
  two: {endpoints: ["${SECOND:-127.0.0.1:9002}"]}
routes:
  - {name: first, match: {path: /first}, upstream: one, access: public}
  - name: guilty
    match: {path_template: TEMPLATE}
    upstream: UPSTREAM
    access: public
  - {name: last, match: {path: /last}, upstream: one, access: public}
"""
TOO_MANY = "/x/{z}/{a}/{b}/{c}/{d}/{e}/{f}"
"""Envoy takes five variables in a path."""
WORDS = "Exceeded variable count limit (5)"


def written(directory: Path, port: int, template: str = "/x/{a}", upstream: str = "one") -> Path:
    path = directory / "gateway.yaml"
    text = SPEC.replace("PORT", str(port)).replace("UPSTREAM", upstream)
    path.write_text(text.replace("TEMPLATE", f'"{template}"'))
    return path


def compiled(path: Path, environ: Mapping[str, str] | None = None) -> tuple[Bundle, Record]:
    spec, tree = load([str(path)], environ or {})
    return build(compile_spec(spec)), record(spec, tree, [path.name], b"key")


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(prefix="gc-") as directory:  # a socket's path must be short
        gateway = Gateway(Path(directory))
        try:
            gateway.start(compiled(written(gateway.directory, gateway.port))[0])
            yield gateway
        finally:
            gateway.stop()


def refused(gateway: Gateway, bundle: Bundle, kept: Record, *, log: bool = True) -> GatectlError:
    """What an apply says that must not change anything."""
    before = gateway.versions()
    targets = gateway.targets if log else Targets((Node("far", gateway.admin),))
    with pytest.raises(GatectlError) as caught:
        apply(bundle, gateway.store, targets, 20, gateway.note, Order(record=kept))
    assert caught.value.exit_code == 4
    until(lambda: gateway.versions() == before, "Envoy obeys what it did before")
    return caught.value


@pytest.mark.parametrize("log", [True, False], ids=["its log is here", "its log is elsewhere"])
def test_a_route_that_envoy_refuses_is_found_by_its_line(gateway: Gateway, log: bool) -> None:
    path = written(gateway.directory, gateway.port, template=TOO_MANY)
    error = refused(gateway, *compiled(path), log=log)
    assert str(error).startswith(f"{path}:10:5: Envoy at {gateway.admin.address} rejects rds: ")
    assert 'route "guilty"' in str(error)
    assert WORDS in str(error)
    (diagnostic,) = error.diagnostics
    assert (diagnostic.code, str(diagnostic.location)) == ("GC0201", f"{path}:10:5")


def test_an_upstream_that_envoy_refuses_is_found_by_its_name(gateway: Gateway) -> None:
    path = written(gateway.directory, gateway.port, template="/y/{a}")
    bundle, kept = compiled(path)
    bad = spoilt(bundle, CDS, "bad value")
    named = {name: content.replace(b"upstream-bad", b"upstream-new") for name, content in bad.files.items()}
    known = kept.model_copy(
        update={
            "effective": {**kept.effective, "upstreams": {"new": {}, **kept.effective["upstreams"]}},
            "places": {**kept.places, "/upstreams/new": "gateway.yaml:99:3"},
        }
    )
    error = refused(gateway, Bundle(bundle.gateway, bundle.revision, named), known)
    assert str(error).startswith("gateway.yaml:99:3: ")
    assert 'upstream "new"' in str(error)
    assert "malformed IP address: not an address" in str(error)


@pytest.mark.parametrize("log", [True, False], ids=["its log is here", "its log is elsewhere"])
def test_a_listener_that_cannot_be_bound_is_found_in_the_spec(gateway: Gateway, log: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = written(gateway.directory, taken.getsockname()[1])
        error = refused(gateway, *compiled(path), log=log)
    assert str(error).startswith(f"{path}:3:1: Envoy at {gateway.admin.address} rejects lds: listener: ")
    assert "Address already in use" in str(error) or "cannot bind" in str(error)


def test_words_that_may_repeat_a_secret_stay_in_the_log(gateway: Gateway) -> None:
    """The route goes to an upstream whose address is secret: nobody can say what Envoy's words repeat."""
    path = written(gateway.directory, gateway.port, template=TOO_MANY, upstream="two")
    error = refused(gateway, *compiled(path, {"SECOND": "10.99.99.99:1"}))
    assert WORDS not in str(error)
    assert "may repeat a value from the environment" in str(error)
    assert str(error).startswith(f"{path}:10:5: ")


def test_validate_finds_the_line_too(tmp_path: Path) -> None:
    path = written(tmp_path, 8080, template=TOO_MANY)
    with pytest.raises(SpecError) as caught:
        prove(read([str(path)]), "local")
    (diagnostic,) = caught.value.diagnostics
    assert str(diagnostic.location) == f"{path}:10:5"
    assert WORDS in diagnostic.message


def test_the_gateway_is_as_it_was(gateway: Gateway) -> None:
    good, _ = compiled(written(gateway.directory, gateway.port))
    assert gateway.versions() == dict.fromkeys(KINDS, good.revision)
    assert gateway.get("/nowhere")[0] == 404
