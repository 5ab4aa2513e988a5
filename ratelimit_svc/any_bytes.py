"""Requests whose entries are no UTF-8.

A client may send any byte from 0x80 on in a header, and Envoy puts the header into a descriptor as it came. Protobuf
refuses such a text; to answer that with an error would let the request pass wherever Envoy's failure mode does.
"""

from google.protobuf import descriptor_pool, message_factory, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto

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

_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(text_format.Parse(_TEXTS_AS_BYTES, FileDescriptorProto()))
_Request = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("ratelimit_svc.Request"))


def readable(message: bytes) -> bytes:
    """The same RateLimitRequest with ``\\\\xff`` in place of each byte that makes no text: another value stays another.

    Raises DecodeError when it is no RateLimitRequest for another reason.
    """
    request = _Request.FromString(message)
    for descriptor in request.descriptors:
        for entry in descriptor.entries:
            entry.key, entry.value = _text(entry.key), _text(entry.value)
    made: bytes = request.SerializeToString()
    return made


def _text(raw: bytes) -> bytes:
    return raw.decode(errors="backslashreplace").encode()
