"""Requests whose entries are no UTF-8.

A client may send any byte from 0x80 on in a header, and Envoy puts the header into a descriptor as it came. Protobuf
refuses such a text; to answer that with an error would let the request pass wherever Envoy's failure mode does.
"""

from functools import cache
from typing import Any

_TEXTS_AS_BYTES = """
  name: "ratelimit_svc/any_bytes.proto" package: "ratelimit_svc" syntax: "proto3"
  message_type {
    name: "Entry"
    field { name: "key" number: 1 type: TYPE_BYTES label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_BYTES label: LABEL_OPTIONAL }
  }
  message_type {
    name: "Descriptor"
    field { name: "entries" number: 1 type: TYPE_MESSAGE type_name: "Entry" label: LABEL_REPEATED }
  }
  message_type {
    name: "Request"
    field { name: "descriptors" number: 2 type: TYPE_MESSAGE type_name: "Descriptor" label: LABEL_REPEATED }
  }
"""
"""Of RateLimitRequest what entries are made of; protobuf keeps the rest as it is."""


def readable(message: bytes) -> bytes:
    """The same RateLimitRequest with ``\\\\xff`` in place of each byte that makes no text: another value stays another.

    Raises DecodeError when it is no RateLimitRequest for another reason.
    """
    request = _request().FromString(message)
    for descriptor in request.descriptors:
        for entry in descriptor.entries:
            entry.key, entry.value = _text(entry.key), _text(entry.value)
    made: bytes = request.SerializeToString()
    return made


@cache
def _request() -> Any:
    """The message class; made when a client first sends what is no text, which hardly any does."""
    # ten milliseconds that a worker need not take to start
    from google.protobuf import descriptor_pool, message_factory, text_format  # noqa: PLC0415 - as said
    from google.protobuf.descriptor_pb2 import FileDescriptorProto  # noqa: PLC0415 - as said

    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_TEXTS_AS_BYTES, FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ratelimit_svc.Request"))


def _text(raw: bytes) -> bytes:
    return raw.decode(errors="backslashreplace").encode()
