"""Ports, and the directory."""

import os
import socket
import stat
from pathlib import Path

import pytest

from gatectl.diagnostics import GatectlError
from gatectl.rollout.place import write_whole
from gatectl.runtime import lock, ports, state_dir


def test_free_ports_are_different_and_out_of_the_way_of_outgoing_connections() -> None:
    found = ports.free_ports(50)
    assert len(set(found)) == 50
    assert all(20_000 <= port < 32_768 for port in found)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_free_port_can_be_claimed_and_one_in_use_cannot(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    [port] = ports.free_ports(1)
    ports.claim(address, port, "stop it")
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Envoy does
        server.bind((address, port))
        server.listen()
        holder = rf"port {port} on .* is taken by pid {os.getpid()} \(.+\): stop it"
        with pytest.raises(GatectlError, match=holder):
            ports.claim(address, port, "stop it")


def test_a_connection_that_lingers_does_not_hold_a_port() -> None:
    [port] = ports.free_ports(1)
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    ports.claim("127.0.0.1", port, "stop it")


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(GatectlError, match=r"port 8080 on 192\.0\.2\.1 cannot be listened on"):
        ports.claim("192.0.2.1", 8080, "stop it")


@pytest.mark.parametrize(
    ("address", "host"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.1", "10.0.0.1")],
)
def test_a_listener_is_reached_where_a_client_can_connect(address: str, host: str) -> None:
    assert ports.reachable(address) == host


def test_the_state_directory_is_made_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = state_dir.prepare(Path("state"))
    assert directory == tmp_path / "state"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert state_dir.prepare(directory) == directory


def test_a_state_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(GatectlError, match="others can write to"):
        state_dir.prepare(tmp_path)
    tmp_path.chmod(0o755)
    state_dir.prepare(tmp_path)


def test_a_file_in_the_place_of_the_state_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(GatectlError, match="cannot be used"):
        state_dir.prepare(tmp_path / "state")


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_a_socket_path_of_107_bytes_is_the_longest(monkeypatch: pytest.MonkeyPatch, extra: int, fits: bool) -> None:
    path = Path("/" + "é" * 20 + "d" * (107 - 1 - 40 - len("/admin.sock") + extra))
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    if fits:
        with pytest.raises(GatectlError, match="cannot be used"):  # it gets as far as looking at it
            state_dir.prepare(path)
    else:
        with pytest.raises(GatectlError, match="is 108 bytes long and may have 107"):
            state_dir.prepare(path)


def test_a_private_file_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("open to all")
    (tmp_path / ".secret").write_text("left by a crash")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    with lock.held(tmp_path) as before:
        assert before is None
        assert lock.running(tmp_path) == lock.Supervisor.this()
        with pytest.raises(lock.HeldError, match=rf"already \(pid {os.getpid()}\)"), lock.held(tmp_path):
            pass
    assert lock.running(tmp_path) is None


@pytest.mark.parametrize("text", ["", "nonsense", "0 1", "1 1", "-1 5", "12345", "² 7"])
def test_a_lock_file_that_makes_no_sense_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / lock.FILE).write_text(text)
    assert lock.running(tmp_path) is None
    with lock.held(tmp_path) as before:
        assert before is None
