"""Somebody in the place of ext_authz who lets everybody in, and remembers what Envoy told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc

from gatectl.snapshot import Endpoint


class Asked(external_auth_pb2_grpc.AuthorizationServicer):
    """``requests``: every CheckRequest, the oldest first."""

    def __init__(self) -> None:
        self.requests: list[external_auth_pb2.CheckRequest] = []
        self.endpoint = Endpoint("127.0.0.1", 0)

    def Check(self, request: external_auth_pb2.CheckRequest, _: object) -> external_auth_pb2.CheckResponse:  # noqa: N802 - gRPC's name
        self.requests.append(request)
        return external_auth_pb2.CheckResponse(ok_response=external_auth_pb2.OkHttpResponse())


@contextmanager
def asked() -> Iterator[Asked]:
    """A server on a free port."""
    servicer, server = Asked(), grpc.server(ThreadPoolExecutor(max_workers=2))
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(servicer, server)
    servicer.endpoint = Endpoint("127.0.0.1", server.add_insecure_port("127.0.0.1:0"))
    server.start()
    try:
        yield servicer
    finally:
        server.stop(None).wait()
