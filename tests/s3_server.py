"""The S3 server of the tests: moto behind a guard that behaves as S3 does where moto does not.

No server that installs from the registries is faithful alone: moto has S3's features, but takes any
signature. So moto runs as a process of its own, on loopback, and a thin guard stands before it, which

* verifies SigV4: headers, presigned URLs and POST policies (signature, region, clock, expiry, size, body hash);
* refuses anonymous requests, except reads that a bucket policy or a public-read ACL allows;
* answers cross-origin requests from the bucket's own CORS rules;
* fails on demand: 500, 503, 429, dropped connections, latency, a clock that is wrong.

Bodies are passed on block by block, so that a file of a gigabyte needs no memory here.

    with S3Server() as s3:
        s3.make_bucket("media", public_prefixes=["public/"])
        s3.faults.every(10, ["500", "drop"])
        s3.client().put_object(Bucket="media", Key="a", Body=b"a")
        assert [request.method for request in s3.requests] == ["PUT"]

Tests ask for the fixture `s3`, which is one running server with nothing set and no bucket in it.
`python tests/s3_server.py` starts the server by hand and prints the environment to use it with.
"""

from __future__ import annotations

import base64
import contextlib
import fnmatch
import hashlib
import hmac
import http.client
import io
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BLOCK = 256 * 1024
"""Bytes of a body that are in memory at once, for each connection."""
TOLERANCE = timedelta(minutes=15)
"""How far a client's clock may be off before S3 refuses its signatures."""
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}
NOT_FOR_MOTO = {
    "host",
    "authorization",
    "expect",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
}

# moto's own server, without its log, without the 40 ms that Nagle's algorithm costs on each small
# answer, and gone as soon as the process that started it is (its end of the pipe closes).
MOTO = """
import logging, os, sys, threading
logging.getLogger("werkzeug").setLevel(logging.ERROR)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from moto.server import MotoRequestHandler, main
MotoRequestHandler.disable_nagle_algorithm = True
main()
"""


class S3Error(Exception):
    """An answer that is an error: HTTP status, S3's code, message, and further elements of the XML."""

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.details = status, code, message, details


class Dropped(Exception):
    """The connection is to be closed without an answer, or without the rest of one."""


def denied(message: str = "Access Denied", **details: str) -> S3Error:
    return S3Error(403, "AccessDenied", message, **details)


# --- What a request is, and what goes wrong with it -----------------------------------------------


@dataclass
class Request:
    """One request as the guard saw it; `status` is None while it runs, and 0 if it was dropped."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    access_key: str | None = None
    """None for an anonymous request."""
    fault: str | None = None
    status: int | None = None
    received: int = 0
    """Bytes of payload that came in, after decoding."""
    sent: int = 0
    """Bytes of payload that went out."""
    started: float = field(default_factory=time.time)

    @property
    def bytes(self) -> int:
        return max(self.received, self.sent)

    @property
    def resource(self) -> str:
        """`bucket/key`, as policies name it after `arn:aws:s3:::`."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def action(self) -> str:
        """The IAM action that the request needs, such as `s3:GetObject`."""
        verb = {"GET": "Get", "HEAD": "Get", "DELETE": "Delete"}.get(self.method, "Put")
        part = next(
            (
                name
                for name in ("acl", "cors", "policy", "tagging", "versioning")
                if name in self.query
            ),
            "",
        )
        if not self.bucket:
            return "s3:ListAllMyBuckets"
        if part == "cors":
            part = "CORS"
        elif part:
            part = part.capitalize()
        if self.key:
            if self.method == "DELETE" and "uploadId" in self.query:
                return "s3:AbortMultipartUpload"
            if verb == "Get" and "uploadId" in self.query:
                return "s3:ListMultipartUploadParts"
            return f"s3:{verb}Object{part}"
        if part:
            return f"s3:{verb}Bucket{part}"
        if self.method == "POST":
            return "s3:DeleteObject" if "delete" in self.query else "s3:PutObject"
        if "uploads" in self.query:
            return "s3:ListBucketMultipartUploads"
        return {"Get": "s3:ListBucket", "Put": "s3:CreateBucket", "Delete": "s3:DeleteBucket"}[verb]


ERRORS = {
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "SlowDown", "Please reduce your request rate."),
    "429": (429, "TooManyRequests", "Please reduce your request rate."),
}


class Faults:
    """What is to go wrong. Kinds: "500", "503", "429" (an error instead of the work), "drop" (the connection
    closes before the work) and "drop-middle" (in the middle of a download; otherwise after the work is done,
    before the answer)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self.match: Callable[[Request], str | None] | None = None
        """Called with each request; returns the kind of fault to answer with, or None. May block."""
        self.latency: float = 0
        """Seconds that each request waits first."""
        self._every: tuple[int, list[str]] | None = None
        self._seen = 0

    def every(self, n: int, kinds: Iterable[str]) -> None:
        """Every n-th request from now on fails, by each of the kinds in turn."""
        with self.lock:
            self._every, self._seen = (n, list(kinds)), 0

    def choose(self, request: Request) -> str | None:
        if self.latency:
            time.sleep(self.latency)
        kind = self.match(request) if self.match else None
        with self.lock:
            if kind is None and self._every:
                self._seen += 1
                n, kinds = self._every
                if self._seen % n == 0:
                    kind = kinds[(self._seen // n - 1) % len(kinds)]
        if kind not in {None, "drop", "drop-middle", *ERRORS}:
            raise ValueError(f"{kind!r} is no kind of fault.")
        return kind


# --- Signatures: botocore's own canonicalisation, over the request that arrived --------------------


class Signature(S3SigV4Auth):
    """Recomputes the signature of a request that was received, over the headers that its signer named."""

    def __init__(self, access_key: str, secret_key: str, region: str, timestamp: str) -> None:
        super().__init__(Credentials(access_key, secret_key), "s3", region)
        self.timestamp = timestamp

    def headers_to_sign(self, request: AWSRequest) -> Any:
        return request.headers  # Those that were signed: `of` takes no others.

    def of(self, method: str, path: str, query: str, headers: dict[str, str], payload: str) -> str:
        """The signature, in hex. `path` and `query` are as they were on the wire, `payload` is the body's hash."""
        pairs = [
            (k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k != "X-Amz-Signature"
        ]
        url = (
            "http://host"
            + quote(unquote(path), safe="/~")
            + "?"
            + urlencode(pairs, quote_via=quote, safe="~")
        )
        request = AWSRequest(method=method, url=url, headers=headers)
        request.context["timestamp"] = self.timestamp
        self.payload = lambda _request: payload  # type: ignore[method-assign]
        return self.signature(
            self.string_to_sign(request, self.canonical_request(request)), request
        )

    def of_policy(self, policy: str) -> str:
        """The signature of the policy of a form, as it was sent (in base64)."""
        request = AWSRequest()
        request.context["timestamp"] = self.timestamp
        return self.signature(policy, request)


def parse_time(text: str) -> datetime | None:
    """A timestamp such as 20250131T235959Z, or None if it is not one."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


class Judge:
    """Decides whether a request may pass: who asks, and whether they may."""

    def __init__(self, server: S3Server, ask: Callable[[str], tuple[int, bytes]]) -> None:
        self.server = server
        self.ask = ask  # GET something of moto: path and query -> status and body

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.server.clock_skew)

    def signer(self, credential: str, timestamp: str, *, malformed: str) -> Signature:
        """Who signs by this credential (`key/date/region/s3/aws4_request`)? If it is none, the code is `malformed`."""
        access_key, *scope = credential.rsplit("/", 4)
        if len(scope) != 4 or scope[2:] != ["s3", "aws4_request"]:
            raise S3Error(400, malformed, f"The Credential is malformed: {credential}")
        date, region = scope[:2]
        if region != self.server.region:
            expecting = f"the region '{region}' is wrong; expecting '{self.server.region}'"
            text = f"The authorization header is malformed; {expecting}"
            raise S3Error(400, malformed, text, Region=self.server.region)
        if access_key not in self.server.keys:
            text = "The AWS Access Key Id you provided does not exist in our records."
            raise S3Error(403, "InvalidAccessKeyId", text, AWSAccessKeyId=access_key)
        if date != timestamp[:8]:
            raise S3Error(
                400,
                malformed,
                f"Invalid credential date {date}, this date is not the same as X-Amz-Date.",
            )
        return Signature(access_key, self.server.keys[access_key], region, timestamp)

    def compare(self, signer: Signature, expected: str, given: str) -> str:
        if not hmac.compare_digest(expected.encode(), given.encode()):
            text = (
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method."
            )
            raise S3Error(
                403, "SignatureDoesNotMatch", text, AWSAccessKeyId=signer.credentials.access_key
            )
        return signer.credentials.access_key

    def signed_headers(self, headers: Message, names: list[str]) -> dict[str, str]:
        """The headers that a signature covers, by the names it gives. They must be all those that matter."""
        needed = {h.lower() for h in headers if h.lower().startswith("x-amz-")} - {
            "x-amz-content-sha256"
        } | {"host"}
        unsigned = sorted(needed - set(names))
        if unsigned:
            text = "There were headers present in the request which were not signed"
            raise denied(text, HeadersNotSigned=", ".join(unsigned))
        return {
            name: ",".join(headers.get_all(name, [""])).encode("latin-1").decode(errors="replace")
            for name in names
        }

    def by_header(self, method: str, path: str, query: str, headers: Message) -> str:
        """The access key that signed the request in its Authorization header."""
        malformed = "AuthorizationHeaderMalformed"
        scheme, _, rest = headers["Authorization"].partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            text = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
            raise S3Error(400, "InvalidRequest", text)
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
            raise S3Error(400, malformed, "The authorization header is malformed.")
        signed_at = parse_time(headers.get("X-Amz-Date", ""))
        if signed_at is None:
            raise denied("AWS authentication requires a valid Date or x-amz-date header")
        payload = headers.get("X-Amz-Content-SHA256")
        if payload is None:
            raise S3Error(
                400,
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            )
        signer = self.signer(fields["Credential"], headers["X-Amz-Date"], malformed=malformed)
        signed = self.signed_headers(headers, fields["SignedHeaders"].split(";"))
        access_key = self.compare(
            signer, signer.of(method, path, query, signed, payload), fields["Signature"]
        )
        if abs(self.now() - signed_at) > TOLERANCE:
            raise S3Error(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                RequestTime=headers["X-Amz-Date"],
                ServerTime=self.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                MaxAllowedSkewMilliseconds="900000",
            )
        return access_key

    def by_query(self, method: str, path: str, query: str, headers: Message) -> str:
        """The access key that signed the URL."""
        malformed = "AuthorizationQueryParametersError"
        fields = dict(parse_qsl(query, keep_blank_values=True))
        names = (
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        )
        if fields.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" or any(
            name not in fields for name in names
        ):
            raise S3Error(
                400, malformed, "Query-string authentication version 4 requires " + ", ".join(names)
            )
        signed_at = parse_time(fields["X-Amz-Date"])
        if signed_at is None or not re.fullmatch(r"\d{1,6}", fields["X-Amz-Expires"]):
            raise S3Error(400, malformed, "X-Amz-Date or X-Amz-Expires is not valid")
        lifetime = timedelta(seconds=int(fields["X-Amz-Expires"]))
        if not timedelta(0) < lifetime <= timedelta(days=7):
            raise S3Error(400, malformed, "X-Amz-Expires must be less than a week (in seconds)")
        signer = self.signer(fields["X-Amz-Credential"], fields["X-Amz-Date"], malformed=malformed)
        if signed_at > self.now() + TOLERANCE:
            raise denied("Request is not yet valid")
        if self.now() > signed_at + lifetime:
            raise denied("Request has expired", **{"X-Amz-Expires": fields["X-Amz-Expires"]})
        signed = self.signed_headers(headers, fields["X-Amz-SignedHeaders"].split(";"))
        payload = headers.get("X-Amz-Content-SHA256", UNSIGNED)
        return self.compare(
            signer, signer.of(method, path, query, signed, payload), fields["X-Amz-Signature"]
        )

    def by_form(self, bucket: str, form: dict[str, str], size: int) -> str:
        """The access key that signed the policy of a form (names in lower case) with a file of `size` bytes."""
        if "policy" not in form:
            raise denied()
        missing = {
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-signature",
        } - form.keys()
        if missing:
            text = f"Bucket POST must contain a field named '{min(missing)}'."
            raise S3Error(400, "InvalidArgument", text)
        signer = self.signer(
            form["x-amz-credential"], form["x-amz-date"], malformed="InvalidArgument"
        )
        access_key = self.compare(signer, signer.of_policy(form["policy"]), form["x-amz-signature"])
        try:
            policy = json.loads(base64.b64decode(form["policy"]))
            expiration = datetime.fromisoformat(policy["expiration"].replace("Z", "+00:00"))
            conditions = policy["conditions"]
        except (ValueError, KeyError, TypeError):
            text = "The content of the form does not meet the conditions specified in the policy document."
            raise S3Error(400, "InvalidPolicyDocument", text) from None
        if self.now() > expiration:
            raise denied("Invalid according to Policy: Policy expired.")
        values = {**form, "bucket": bucket}
        covered = {"policy", "x-amz-signature", "file", "bucket"}
        for condition in conditions:
            if isinstance(condition, dict):
                [(name, value)] = condition.items()
                operator = "eq"
            else:
                operator, name, value = condition
            if operator == "content-length-range":
                if size > int(value):
                    text = "Your proposed upload exceeds the maximum allowed size"
                    raise S3Error(
                        400,
                        "EntityTooLarge",
                        text,
                        ProposedSize=str(size),
                        MaxSizeAllowed=str(value),
                    )
                if size < int(name):
                    text = "Your proposed upload is smaller than the minimum allowed size"
                    raise S3Error(
                        400,
                        "EntityTooSmall",
                        text,
                        ProposedSize=str(size),
                        MinSizeAllowed=str(name),
                    )
                continue
            name = name.removeprefix("$").lower()
            covered.add(name)
            given = values.get(name, "")
            if not (given.startswith(value) if operator == "starts-with" else given == value):
                raise denied(
                    f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}"
                )
        extra = {name for name in form if name not in covered and not name.startswith("x-ignore-")}
        if extra:
            raise denied(
                f"Invalid according to Policy: Extra input fields: {', '.join(sorted(extra))}"
            )
        return access_key

    def permit(self, request: Request) -> None:
        """Refuse what the request's signer was denied, or what a stranger may not do."""
        asked = [(request.action, request.resource)]
        if source := request.headers.get("x-amz-copy-source"):
            asked.append(("s3:GetObject", unquote(source).lstrip("/").partition("?")[0]))
        for action, resource in asked:
            if request.access_key is None:
                if not self.public(action, resource):
                    raise denied()
                if any(name.startswith("response-") for name in request.query):
                    text = "Request specific response headers cannot be used for anonymous GET requests."
                    raise S3Error(400, "InvalidRequest", text)
            else:
                for rule in self.server.deny[request.access_key]:
                    what, _, where = rule.partition(" ")
                    if fnmatch.fnmatchcase(action, what) and fnmatch.fnmatchcase(
                        resource, where or "*"
                    ):
                        raise denied(
                            f"User {request.access_key} is not authorized to perform: {action} on {resource}"
                        )

    def public(self, action: str, resource: str) -> bool:
        """Does the bucket's policy, or the ACL of the object, let everybody do this?"""
        bucket, _, key = resource.partition("/")
        if not bucket:
            return False
        status, text = self.ask(f"/{bucket}?policy")
        if status == 404 and b"NoSuchBucket<" in text:
            raise S3Error(
                404, "NoSuchBucket", "The specified bucket does not exist", BucketName=bucket
            )
        allowed = False
        for statement in json.loads(text).get("Statement", []) if status == 200 else []:
            if statement.get("Condition") or statement.get("Principal") not in (
                "*",
                {"AWS": "*"},
                {"AWS": ["*"]},
            ):
                continue
            if matches(action, statement["Action"]) and matches(
                f"arn:aws:s3:::{resource}", statement["Resource"]
            ):
                if statement["Effect"] == "Deny":
                    return False
                allowed = True
        if allowed or action not in ("s3:GetObject", "s3:ListBucket"):
            return allowed
        status, text = self.ask(
            f"/{quote(bucket)}/{quote(key)}?acl" if key else f"/{quote(bucket)}?acl"
        )
        return (
            status == 200
            and ALL_USERS in text.decode()
            and re.search(rb"<Permission>(READ|FULL)", text) is not None
        )

    def cors(self, bucket: str, origin: str, method: str, asked: str = "") -> dict[str, str] | None:
        """The headers that let `origin` do this (`asked`: header names, comma-separated), or None."""
        status, text = self.ask(f"/{quote(bucket)}?cors")
        for rule in ElementTree.fromstring(text).iter() if status == 200 else ():
            if not rule.tag.endswith("CORSRule"):
                continue
            values: dict[str, list[str]] = defaultdict(list)
            for item in rule:
                values[item.tag.rpartition("}")[2]].append(item.text or "")
            names = [name.strip().lower() for name in asked.split(",") if name.strip()]
            patterns = [pattern.lower() for pattern in values["AllowedHeader"]]
            if (
                matches(origin, values["AllowedOrigin"])
                and method in values["AllowedMethod"]
                and all(matches(name, patterns) for name in names)
            ):
                everyone = "*" in values["AllowedOrigin"]
                headers = {
                    "Access-Control-Allow-Origin": "*" if everyone else origin,
                    "Access-Control-Allow-Methods": ", ".join(values["AllowedMethod"]),
                    "Access-Control-Allow-Headers": ", ".join(names),
                    "Access-Control-Expose-Headers": ", ".join(values["ExposeHeader"]),
                    "Access-Control-Max-Age": "".join(values["MaxAgeSeconds"][:1]),
                    "Access-Control-Allow-Credentials": "" if everyone else "true",
                    "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
                }
                return {name: value for name, value in headers.items() if value}
        return None


def matches(text: str, patterns: str | list[str]) -> bool:
    """Is it one of the patterns, in which `*` and `?` are wildcards and nothing else is?"""
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if re.fullmatch(
            re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL
        ):
            return True
    return False


# --- Bodies ---------------------------------------------------------------------------------------


class Wire(io.RawIOBase):
    """The body of a request as it is on the wire, to its end and not beyond."""

    def __init__(self, stream: Any, length: int, *, chunked: bool) -> None:
        self.stream, self.left, self.chunked, self.first = stream, length, chunked, True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.chunked and not self.left:
            if not self.first:
                self.stream.readline()
            self.first = False
            self.left = int(self.stream.readline().split(b";")[0] or b"0", 16)
            if not self.left:
                while self.stream.readline().strip():
                    pass
                self.chunked = False
        if not self.left:
            return 0
        block = self.stream.read1(min(len(buffer), self.left, BLOCK))
        if not block:
            raise Dropped  # The client went away in the middle.
        buffer[: len(block)] = block
        self.left -= len(block)
        return len(block)


class CRC32:
    """`zlib.crc32` in the shape of hashlib's objects."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, block: bytes) -> None:
        self.value = zlib.crc32(block, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(4, "big")


class Body:
    """The payload of a request, in blocks, checked as it passes: length, SHA-256, MD5 and checksums."""

    def __init__(self, wire: io.BufferedReader, headers: Message) -> None:
        self.wire = wire
        self.sha256 = headers.get("X-Amz-Content-SHA256", "")
        self.in_chunks = self.sha256.startswith("STREAMING-")
        if self.in_chunks and self.sha256 != UNSIGNED_CHUNKS:
            raise S3Error(501, "NotImplemented", f"This test server does not verify {self.sha256}.")
        name = "X-Amz-Decoded-Content-Length" if self.in_chunks else "Content-Length"
        length = headers.get(name) or ("" if "Transfer-Encoding" in headers else "0")
        if not length.isdigit():
            raise S3Error(411, "MissingContentLength", f"You must provide the {name} HTTP header.")
        self.length = int(length)
        self.expected = {k.lower(): v for k, v in headers.items()}  # Checksums, among others.
        self.trailer = headers.get("X-Amz-Trailer", "").lower()

    def __iter__(self) -> Iterator[bytes]:
        """The blocks; the last one comes after all checks, so that a bad body is never passed on whole."""
        sums: dict[str, Any] = {}
        if re.fullmatch("[0-9a-f]{64}", self.sha256):
            sums["sha256"] = hashlib.sha256()
        if "content-md5" in self.expected:
            sums["content-md5"] = hashlib.md5(usedforsecurity=False)
        for name, make in {"crc32": CRC32, "sha1": hashlib.sha1, "sha256": hashlib.sha256}.items():
            if f"x-amz-checksum-{name}" in {*self.expected, self.trailer}:
                sums[f"x-amz-checksum-{name}"] = make()
        passed, held = 0, b""
        for block in self.chunks() if self.in_chunks else iter(lambda: self.wire.read1(BLOCK), b""):
            for checksum in sums.values():
                checksum.update(block)
            passed += len(block)
            if held:
                yield held
            held = block
        if passed != self.length:
            text = "You did not provide the number of bytes specified by the Content-Length HTTP header"
            raise S3Error(400, "IncompleteBody", text)
        if "sha256" in sums and sums.pop("sha256").hexdigest() != self.sha256:
            text = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise S3Error(400, "XAmzContentSHA256Mismatch", text)
        for name, checksum in sums.items():
            if base64.b64encode(checksum.digest()).decode() != self.expected.get(name):
                text = f"The {name.rpartition('-')[2].upper()} you specified did not match the calculated checksum."
                raise S3Error(400, "BadDigest", text)
        if held:
            yield held

    def chunks(self) -> Iterator[bytes]:
        """The payload inside `aws-chunked` encoding; checksums that trail it become expected ones."""
        while size := int(self.wire.readline().split(b";")[0] or b"0", 16):
            while size:
                block = self.wire.read1(min(size, BLOCK))
                if not block:
                    raise S3Error(400, "IncompleteBody", "The request body terminated unexpectedly")
                size -= len(block)
                yield block
            self.wire.readline()
        while line := self.wire.readline().strip():
            name, _, value = line.decode().partition(":")
            self.expected[name.lower()] = value.strip()


# --- The guard ------------------------------------------------------------------------------------


class Guard(BaseHTTPRequestHandler):
    """One connection of a client: judges each request, then passes it on to moto."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: GuardServer

    def setup(self) -> None:
        super().setup()
        self.s3 = self.server.s3
        self.moto = http.client.HTTPConnection("127.0.0.1", self.s3.moto_port, blocksize=BLOCK)
        self.judge = Judge(self.s3, self.ask)

    def finish(self) -> None:
        self.moto.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_args: Any) -> None:
        pass

    def handle_expect_100(self) -> bool:
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def handle_request(self) -> None:
        path, _, query = self.path.partition("?")
        self.query_string = query
        self.request_path = path if path.startswith("/") else urlsplit(path).path
        self.record = self.describe()
        self.wire: Any = io.BufferedReader(
            Wire(
                self.rfile,
                int(self.headers.get("Content-Length") or 0),
                chunked="chunked" in self.headers.get("Transfer-Encoding", "").lower(),
            ),
            BLOCK,
        )
        self.cors_headers: dict[str, str] = {}
        self.s3.requests.append(self.record)
        try:
            self.record.fault = self.s3.faults.choose(self.record)
            if self.record.fault == "drop":
                raise Dropped
            if self.record.fault in ERRORS:
                raise S3Error(*ERRORS[self.record.fault])
            self.answer()
        except S3Error as error:
            self.send_error_document(error)
        except (Dropped, ConnectionError, http.client.HTTPException):
            self.record.status = 0
            self.hang_up()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = handle_request

    def describe(self) -> Request:
        """The request, with its bucket out of the path or out of the name of the host."""
        bucket, _, key = unquote(self.request_path).removeprefix("/").partition("/")
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        for suffix in (".s3.localhost", ".localhost"):
            if host.endswith(suffix) and host != "s3.localhost":
                bucket, key = (
                    host.removesuffix(suffix),
                    unquote(self.request_path).removeprefix("/"),
                )
                break
        query = dict(parse_qsl(self.query_string, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, bucket, key, query, headers)

    def answer(self) -> None:
        record, judge = self.record, self.judge
        origin = self.headers.get("Origin")
        if self.command == "OPTIONS":
            method = self.headers.get("Access-Control-Request-Method", "")
            asked = self.headers.get("Access-Control-Request-Headers", "")
            allowed = judge.cors(record.bucket, origin, method, asked) if origin else None
            if allowed is None:
                raise S3Error(
                    403, "AccessForbidden", "CORSResponse: This CORS request is not allowed."
                )
            return self.send(200, allowed, b"")
        if origin and record.bucket:
            self.cors_headers = judge.cors(record.bucket, origin, self.command) or {}
        if self.command == "POST" and self.headers.get_content_type() == "multipart/form-data":
            return self.take_form()
        signed = (self.command, self.request_path, self.query_string, self.headers)
        if "Authorization" in self.headers:
            record.access_key = judge.by_header(*signed)
        elif "X-Amz-Signature" in record.query or "X-Amz-Credential" in record.query:
            record.access_key = judge.by_query(*signed)
        judge.permit(record)
        self.pass_on()

    def take_form(self) -> None:
        """A browser's upload: the form is checked against its policy, the file stored as an ordinary PUT."""
        from werkzeug.formparser import FormDataParser

        content_type, _, _ = self.headers["Content-Type"].partition(";")
        options = dict(self.headers.get_params()[1:])
        parser = FormDataParser(
            lambda *_args, **_options: tempfile.SpooledTemporaryFile(max_size=BLOCK),  # noqa: SIM115
            max_form_memory_size=BLOCK,
        )
        _, fields, files = parser.parse(
            self.wire, content_type, int(self.headers["Content-Length"]), options
        )
        form = {name.lower(): value for name, value in fields.items()}
        file = files.get("file")
        if file is None or "key" not in form:
            missing = "file" if file is None else "key"
            raise S3Error(
                400, "InvalidArgument", f"Bucket POST must contain a field named '{missing}'."
            )
        size = self.record.received = file.stream.seek(0, os.SEEK_END)
        file.stream.seek(0)
        self.record.access_key = self.judge.by_form(self.record.bucket, form, size)
        self.record.key = form["key"].replace("${filename}", file.filename or "")
        self.judge.permit(self.record)
        kept = (
            "content-type",
            "content-disposition",
            "content-encoding",
            "cache-control",
            "expires",
            "acl",
        )
        headers = {
            ("x-amz-acl" if name == "acl" else name): form[name] for name in kept if name in form
        }
        headers |= {name: value for name, value in form.items() if name.startswith("x-amz-meta-")}
        headers["Content-Length"] = str(size)
        response = self.upstream(
            "PUT", self.target(), headers, iter(lambda: file.stream.read(BLOCK), b"")
        )
        body = response.read()
        if response.status != 200:
            return self.send(response.status, {"Content-Type": "application/xml"}, body)
        if self.record.fault == "drop-middle":
            raise Dropped
        etag = response.headers["ETag"]
        location = f"{self.s3.url}{quote('/' + self.record.resource)}"
        answer = {"ETag": etag, "Location": location}
        redirect = form.get("success_action_redirect") or form.get("redirect")
        if redirect:
            query = urlencode({"bucket": self.record.bucket, "key": self.record.key, "etag": etag})
            return self.send(
                303, {"Location": redirect + ("&" if "?" in redirect else "?") + query}, b""
            )
        status = form.get("success_action_status")
        if status == "201":
            parts = {
                "Location": location,
                "Bucket": self.record.bucket,
                "Key": self.record.key,
                "ETag": etag,
            }
            inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in parts.items())
            document = (
                f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{inner}</PostResponse>'
            )
            return self.send(201, {**answer, "Content-Type": "application/xml"}, document.encode())
        return self.send(200 if status == "200" else 204, answer, b"")

    def target(self) -> str:
        """The bucket and key as a path for moto."""
        return (
            "/"
            + quote(self.record.bucket)
            + ("/" + quote(self.record.key, safe="/~") if self.record.key else "")
        )

    def upstream(
        self, method: str, target: str, headers: dict[str, str], body: Iterable[bytes] = ()
    ) -> http.client.HTTPResponse:
        """Ask moto. A body that turns out to be bad is never sent whole, so moto does not take it."""
        scope = f"{self.s3.access_key}/20250101/{self.s3.region}/s3/aws4_request"
        self.moto.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            self.moto.putheader(name, value.encode("latin-1"))
        self.moto.putheader(
            "Authorization", f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        )
        try:
            self.moto.endheaders()
            for block in body:
                self.moto.send(block)
        except BaseException:
            self.moto.close()
            raise
        return self.moto.getresponse()

    def ask(self, target: str) -> tuple[int, bytes]:
        response = self.upstream("GET", target, {})
        return response.status, response.read()

    def pass_on(self) -> None:
        """Send the request to moto and its answer to the client, in blocks."""
        body = Body(self.wire, self.headers)
        headers = {
            k: v for k, v in self.headers.items() if k.lower() not in NOT_FOR_MOTO | HOP_BY_HOP
        }
        encodings = [
            e.strip()
            for e in headers.pop("Content-Encoding", "").split(",")
            if e.strip() != "aws-chunked"
        ]
        if any(encodings):
            headers["Content-Encoding"] = ",".join(encodings)
        if body.length or self.command in ("PUT", "POST"):
            headers["Content-Length"] = str(body.length)
        signature = re.compile(
            r"X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature|Security-Token)="
        )
        query = "&".join(
            pair for pair in self.query_string.split("&") if pair and not signature.match(pair)
        )
        target = self.target() + ("?" + query if query else "")
        # Who may not list a bucket may not learn what it lacks either.
        veiled = self.record.access_key is None and not self.judge.public(
            "s3:ListBucket", self.record.bucket
        )
        response = self.upstream(self.command, target, headers, self.counted(body))
        if response.status == 404 and veiled:
            response.read()
            raise denied()
        self.relay(response)

    def counted(self, body: Body) -> Iterator[bytes]:
        for block in body:
            self.record.received += len(block)
            yield block

    def relay(self, response: http.client.HTTPResponse) -> None:
        length = response.headers.get("Content-Length")
        middle = self.record.fault == "drop-middle"
        if middle and not (
            self.command == "GET" and response.status in (200, 206) and int(length or 0) > 1
        ):
            response.read()
            raise Dropped  # The work is done; nobody hears of it.
        self.record.status = response.status
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            if name.lower() not in HOP_BY_HOP and not name.lower().startswith("access-control-"):
                self.send_header(name, value)
        for name, value in self.cors_headers.items():
            self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        self.send_header("Server", "AmazonS3")
        has_body = self.command != "HEAD" and response.status not in (204, 304)
        if length is not None:
            self.send_header("Content-Length", length)
        elif has_body:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        stop_at = int(length or 0) // 2 if middle else None
        while has_body and (block := response.read1(BLOCK)):
            if stop_at is not None and self.record.sent + len(block) > stop_at:
                self.wfile.write(block[: stop_at - self.record.sent])
                self.wfile.flush()
                raise Dropped
            self.wfile.write(block if length is not None else b"%x\r\n%b\r\n" % (len(block), block))
            self.record.sent += len(block)
        if has_body and length is None:
            self.wfile.write(b"0\r\n\r\n")
        response.read()

    def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.drain()
        self.record.status = status
        self.send_response_only(status)
        for name, value in {**headers, **self.cors_headers}.items():
            self.send_header(name, value)
        self.send_header("Date", self.date_time_string())
        self.send_header("Server", "AmazonS3")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error_document(self, error: S3Error) -> None:
        details = {
            "Resource": "/" + self.record.resource,
            "RequestId": "GROUNDWORKTEST",
            **error.details,
        }
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in details.items())
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>{inner}</Error>"
        )
        headers = {"Content-Type": "application/xml"}
        if "Region" in error.details:
            headers["x-amz-bucket-region"] = error.details["Region"]
        try:
            self.send(error.status, headers, document.encode())
        except (Dropped, ConnectionError):
            self.hang_up()

    def drain(self) -> None:
        """Read what the client still sends: an answer that comes before its end is lost to many clients."""
        while self.wire.read1(BLOCK):
            pass

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class GuardServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    s3: S3Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def free_port() -> int:
    """A port on loopback that nobody listens on now, below those that the system gives to clients."""
    for port in random.SystemRandom().sample(range(20_000, 32_768), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("There is no free port between 20000 and 32767.")


class S3Server:
    """The server, and what a test sets and sees of it."""

    def __init__(self, *, region: str = "us-east-1") -> None:
        self.region = region
        self.access_key = "AKIAGROUNDWORKTESTS"
        self.secret_key = "groundwork/tests+secret/key"
        self.keys = {self.access_key: self.secret_key}
        """Access key -> secret key, of all who may sign. Add to it for a second user."""
        self.deny: dict[str, set[str]] = defaultdict(set)
        """Access key -> what its user may not do: `s3:DeleteObject`, or `s3:PutObject media/2025/*`."""
        self.requests: list[Request] = []
        self.faults = Faults()
        self.clock_skew: float = 0
        """Seconds that the server believes it is later than it is."""

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        for _attempt in range(5):
            self.moto_port = free_port()
            self.process = subprocess.Popen(
                [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(self.moto_port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
            )
            if self._answers(deadline=time.monotonic() + 60):
                break
            self.process.kill()
            self.process.wait()
        else:
            raise RuntimeError("moto does not start: run `python -m moto.server` to see why.")
        self.guard = GuardServer(("127.0.0.1", free_port()), Guard)
        self.guard.s3 = self
        self.url = f"http://127.0.0.1:{self.guard.server_port}"
        threading.Thread(target=self.guard.serve_forever, args=(0.05,), daemon=True).start()

    def _answers(self, deadline: float) -> bool:
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.moto_port, timeout=30)
                connection.request(
                    "GET", "/"
                )  # The first request loads moto's S3, so that no test waits for it.
                return connection.getresponse().status == 200
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        self.guard.shutdown()
        self.guard.server_close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    def reset(self) -> None:
        """As if it had just been started: no bucket, no fault, no request seen."""
        self.faults.clear()
        self.clock_skew = 0
        self.deny.clear()
        self.keys = {self.access_key: self.secret_key}
        connection = http.client.HTTPConnection("127.0.0.1", self.moto_port)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
        connection.close()
        self.requests.clear()

    def client(self, access_key: str | None = None, **config: Any) -> Any:
        """A boto3 client that may do everything. `config`: options of `botocore.config.Config`."""
        import boto3
        from botocore.config import Config

        key = access_key or self.access_key
        options = {"signature_version": "s3v4", "retries": {"total_max_attempts": 1}, **config}
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=key,
            aws_secret_access_key=self.keys[key],
            config=Config(**options),
        )

    def make_bucket(
        self,
        name: str,
        public_prefixes: Iterable[str] = (),
        cors: list[dict[str, Any]] | None = None,
    ) -> str:
        """Make a bucket whose prefixes anybody may read ("" for all of it), with these CORS rules; return its name."""
        client = self.client()
        client.create_bucket(Bucket=name)
        resources = [f"arn:aws:s3:::{name}/{prefix}*" for prefix in public_prefixes]
        if resources:
            statement = {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": resources,
            }
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            client.put_bucket_policy(Bucket=name, Policy=policy)
        if cors:
            client.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": cors})
        return name

    def environment(self) -> dict[str, str]:
        """The variables that a generated project, the AWS command line and boto3 need to use this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "S3_REGION": self.region,
            "S3_ENDPOINT_URL": self.url,
        }


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """The server, started once for a run of the tests."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server) -> S3Server:
    """The server with no bucket, no fault and no request seen."""
    s3_server.reset()
    return s3_server


def main() -> None:
    with S3Server() as server:
        for name in sys.argv[1:]:
            server.make_bucket(name, public_prefixes=[""])
        for name, value in server.environment().items():
            print(f"export {name}={value}")
        print(
            f"# S3 at {server.url}; give names of public buckets to make as arguments. Ctrl+C ends it.",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.process.wait()


if __name__ == "__main__":
    main()
