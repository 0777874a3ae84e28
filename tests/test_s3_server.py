"""The S3 server of the tests behaves as S3 does, where the tests of the template depend on it."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from s3_server import S3Server

RULES = [
    {
        "AllowedOrigins": ["https://site.example"],
        "AllowedMethods": ["GET", "POST"],
        "AllowedHeaders": ["x-*"],
    }
]


def ask(
    s3: S3Server, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Ask without any SDK: status, headers and body."""
    connection = http.client.HTTPConnection(urlsplit(s3.url).netloc, timeout=30)
    try:
        connection.request(method, url.removeprefix(s3.url), body or None, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def code_of(call, **arguments) -> str:
    """The code of S3's error that the call ends with."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"]


def form_of(
    fields: dict[str, str], file: bytes, name: str = "photo.jpg"
) -> tuple[bytes, dict[str, str]]:
    """A browser's form: its body and headers."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode()
        for k, v in fields.items()
    ]
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return b"".join([*parts, head, file, b"\r\n--b--\r\n"]), {
        "Content-Type": "multipart/form-data; boundary=b"
    }


# --- Signed requests ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "a b.txt",
        "a+b",
        "50%",
        "%2F",
        "é/日本/ü",
        "a//b",
        "../b",
        "what?x=1",
        "x#y",
        "a&b=c",
        "\"q'<>",
        "ü" * 500,
        "~(1)!*'",
    ],
)
def test_every_name_comes_back_as_it_was_given(s3, key):
    client = s3.client()
    s3.make_bucket("media")
    client.put_object(Bucket="media", Key=key, Body=key.encode())
    client.copy_object(
        Bucket="media", Key="copy of " + key, CopySource={"Bucket": "media", "Key": key}
    )
    assert client.get_object(Bucket="media", Key="copy of " + key)["Body"].read() == key.encode()
    assert {item["Key"] for item in client.list_objects_v2(Bucket="media")["Contents"]} == {
        key,
        "copy of " + key,
    }
    assert [request.key for request in s3.requests if request.method == "PUT"] == [
        "",
        key,
        "copy of " + key,
    ]


def test_a_wrong_secret_is_refused(s3):
    s3.make_bucket("media")
    stranger = s3.client()
    stranger._request_signer._credentials.secret_key = "guessed"
    assert (
        code_of(stranger.put_object, Bucket="media", Key="a", Body=b"") == "SignatureDoesNotMatch"
    )
    assert code_of(s3.client().get_object, Bucket="media", Key="a") == "NoSuchKey"


def test_an_unknown_access_key_is_refused(s3):
    s3.make_bucket("media")
    stranger = s3.client()
    stranger._request_signer._credentials.access_key = "AKIANOBODY"
    assert code_of(stranger.list_objects_v2, Bucket="media") == "InvalidAccessKeyId"


def test_a_second_user_may_sign_and_be_denied_an_action(s3):
    s3.make_bucket("media")
    s3.keys["AKIADEPLOY"] = "second"
    s3.deny["AKIADEPLOY"] = {"s3:DeleteObject", "s3:PutObject media/private/*"}
    deploy = s3.client("AKIADEPLOY")
    deploy.put_object(Bucket="media", Key="public/a", Body=b"")
    assert code_of(deploy.put_object, Bucket="media", Key="private/a", Body=b"") == "AccessDenied"
    assert code_of(deploy.delete_object, Bucket="media", Key="public/a") == "AccessDenied"
    s3.client().delete_object(Bucket="media", Key="public/a")
    assert {request.access_key for request in s3.requests} == {s3.access_key, "AKIADEPLOY"}


def test_a_copy_needs_the_right_to_read_its_source(s3):
    s3.make_bucket("media")
    s3.client().put_object(Bucket="media", Key="secret/a b", Body=b"")
    s3.deny[s3.access_key] = {"s3:GetObject media/secret/*"}
    source = {"Bucket": "media", "Key": "secret/a b"}
    assert (
        code_of(s3.client().copy_object, Bucket="media", Key="b", CopySource=source)
        == "AccessDenied"
    )


def test_a_wrong_region_is_refused_with_the_right_one(s3):
    s3.make_bucket("media")
    client = s3.client()
    url = client.generate_presigned_url("get_object", Params={"Bucket": "media", "Key": "a"})
    status, _, body = ask(s3, "GET", url.replace("us-east-1", "eu-west-1"))
    assert (status, b"AuthorizationQueryParametersError" in body) == (400, True)
    scope = "AWS4-HMAC-SHA256 Credential={}/{}/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    headers = {
        "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD",
    }
    headers["Authorization"] = scope.format(s3.access_key, headers["X-Amz-Date"][:8])
    status, _, body = ask(s3, "GET", "/media/a", headers=headers)
    assert (status, b"<Code>AuthorizationHeaderMalformed</Code>" in body) == (400, True)
    assert b"<Region>us-east-1</Region>" in body


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_an_hour_off_is_refused(s3, seconds):
    s3.make_bucket("media")
    s3.clock_skew = seconds
    assert code_of(s3.client().list_objects_v2, Bucket="media") == "RequestTimeTooSkewed"


def test_a_header_or_body_that_was_changed_on_the_way_is_refused(s3):
    s3.make_bucket("media")
    call = {"Bucket": "media", "Key": "a", "Body": b"mine", "Metadata": {"owner": "alice"}}

    def code_after(change) -> str:
        client = s3.client(request_checksum_calculation="when_required")
        client.meta.events.register(
            "before-send.s3.PutObject", lambda request, **_: change(request)
        )
        return code_of(client.put_object, **call)

    def set_header(name):
        return lambda request: request.headers.update({name: "public-read"})

    assert code_after(set_header("x-amz-meta-owner")) == "SignatureDoesNotMatch"
    assert code_after(set_header("x-amz-acl")) == "AccessDenied"
    assert code_after(lambda r: setattr(r, "body", b"evil")) == "XAmzContentSHA256Mismatch"
    assert "Contents" not in s3.client().list_objects_v2(Bucket="media")


@pytest.mark.parametrize("header", ["x-amz-checksum-crc32", "x-amz-checksum-sha256", "Content-MD5"])
def test_a_body_that_is_not_the_announced_one_is_not_stored(s3, header):
    s3.make_bucket("media")
    client = s3.client(request_checksum_calculation="when_required")
    client.meta.events.register(
        "before-sign.s3.PutObject", lambda request, **_: request.headers.add_header(header, "AAAA")
    )
    assert code_of(client.put_object, Bucket="media", Key="a", Body=b"mine") == "BadDigest"
    assert code_of(client.head_object, Bucket="media", Key="a") == "404"


@pytest.mark.parametrize("seekable", [True, False])
def test_a_body_in_chunks_arrives_without_its_wrapping(s3, seekable):
    s3.make_bucket("media")
    body = os.urandom(700_000)
    client = s3.client(s3={"payload_signing_enabled": False})
    source = io.BytesIO(body)
    if not seekable:
        source.seekable = lambda: False
    client.upload_fileobj(source, "media", "a", ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    answer = client.get_object(Bucket="media", Key="a")
    assert answer["Body"].read() == body
    assert "ContentEncoding" not in answer


def test_a_missing_bucket_is_named_as_such(s3):
    assert code_of(s3.client().put_object, Bucket="nowhere", Key="a", Body=b"") == "NoSuchBucket"
    assert b"NoSuchBucket" in ask(s3, "GET", "/nowhere/a")[2]


def test_a_bucket_in_the_name_of_the_host_is_the_same_bucket(s3):
    s3.make_bucket("media", public_prefixes=[""])
    s3.client().put_object(Bucket="media", Key="dir/a", Body=b"hello")
    assert ask(s3, "GET", "/dir/a", headers={"Host": "media.localhost"})[2] == b"hello"
    assert ask(s3, "GET", "/dir/a", headers={"Host": "media.s3.localhost:80"})[2] == b"hello"


# --- Presigned URLs -------------------------------------------------------------------------------


@pytest.fixture
def presigned(s3):
    """A signed URL that reads `dir/a b.txt` for a minute."""
    s3.make_bucket("media")
    s3.client().put_object(Bucket="media", Key="dir/a b.txt", Body=b"hello")
    params = {"Bucket": "media", "Key": "dir/a b.txt", "ResponseContentDisposition": "attachment"}
    return s3.client().generate_presigned_url("get_object", Params=params, ExpiresIn=60)


def test_a_signed_url_reads_one_file(s3, presigned):
    status, headers, body = ask(s3, "GET", presigned)
    assert (status, body, headers["Content-Disposition"]) == (200, b"hello", "attachment")


def test_a_signed_url_for_another_path_method_or_answer_is_refused(s3, presigned):
    for method, url in [
        ("GET", presigned.replace("dir/a", "dir/b")),
        ("PUT", presigned),
        ("GET", presigned.replace("attachment", "inline")),
        ("GET", presigned.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")),
    ]:
        status, _, body = ask(s3, method, url)
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)


def test_a_signed_url_expires(s3, presigned):
    s3.clock_skew = 61
    status, _, body = ask(s3, "GET", presigned)
    assert (status, b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body) == (
        403,
        True,
    )


def test_a_signed_url_stores_a_file(s3):
    s3.make_bucket("media")
    params = {"Bucket": "media", "Key": "a", "ContentType": "image/png"}
    url = s3.client().generate_presigned_url("put_object", Params=params)
    assert ask(s3, "PUT", url, b"png", {"Content-Type": "text/html"})[0] == 403
    assert ask(s3, "PUT", url, b"png", {"Content-Type": "image/png"})[0] == 200
    assert s3.client().get_object(Bucket="media", Key="a")["ContentType"] == "image/png"


# --- Forms with a policy --------------------------------------------------------------------------


@pytest.fixture
def post(s3):
    """A signed form for pictures of 10 to 1,000 bytes under `uploads/`."""
    s3.make_bucket("media")
    conditions = [["starts-with", "$Content-Type", "image/"], ["content-length-range", 10, 1000]]
    return s3.client().generate_presigned_post(
        "media", "uploads/${filename}", {}, conditions, ExpiresIn=60
    )["fields"]


def test_a_form_stores_a_file_under_its_policy(s3, post):
    status, headers, _ = ask(
        s3, "POST", "/media", *form_of({"Content-Type": "image/png", **post}, b"p" * 1000)
    )
    assert (status, headers["ETag"]) == (204, f'"{hashlib.md5(b"p" * 1000).hexdigest()}"')
    answer = s3.client().get_object(Bucket="media", Key="uploads/photo.jpg")
    assert (answer["Body"].read(), answer["ContentType"]) == (b"p" * 1000, "image/png")


@pytest.mark.parametrize(
    ("change", "size", "code"),
    [
        ({}, 1001, "EntityTooLarge"),
        ({}, 9, "EntityTooSmall"),
        ({"Content-Type": "text/html"}, 100, "Policy Condition failed"),
        ({"key": "elsewhere/a.png"}, 100, "Policy Condition failed"),
        ({"acl": "public-read"}, 100, "Extra input fields: acl"),
        ({"policy": "e30="}, 100, "SignatureDoesNotMatch"),
        ({"x-amz-signature": "0"}, 100, "SignatureDoesNotMatch"),
        ({"policy": None}, 100, "AccessDenied"),
    ],
)
def test_a_form_against_its_policy_stores_nothing(s3, post, change, size, code):
    fields = {
        k: v for k, v in {"Content-Type": "image/png", **post, **change}.items() if v is not None
    }
    status, _, body = ask(s3, "POST", "/media", *form_of(fields, b"p" * size))
    assert (status in (400, 403), code in body.decode()) == (True, True), body
    assert "Contents" not in s3.client().list_objects_v2(Bucket="media")


def test_a_form_expires(s3, post):
    s3.clock_skew = 61
    status, _, body = ask(
        s3, "POST", "/media", *form_of({"Content-Type": "image/png", **post}, b"p" * 100)
    )
    assert (status, b"Policy expired" in body) == (403, True)


# --- Strangers ------------------------------------------------------------------------------------


def test_a_stranger_reads_public_prefixes_only(s3):
    s3.make_bucket("media", public_prefixes=["public/"])
    for key in ("public/a", "private/a", "public"):
        s3.client().put_object(Bucket="media", Key=key, Body=b"hello")
    assert ask(s3, "GET", "/media/public/a")[::2] == (200, b"hello")
    assert ask(s3, "HEAD", "/media/public/a")[0] == 200
    for method, path in [
        ("GET", "/media/private/a"),
        ("HEAD", "/media/private/a"),
        ("GET", "/media/public"),
        ("GET", "/media/public/missing"),
        ("GET", "/media"),
        ("GET", "/media?policy"),
        ("GET", "/media/public/a?acl"),
        ("PUT", "/media/public/b"),
        ("DELETE", "/media/public/a"),
        ("GET", "/"),
    ]:
        status, _, body = ask(s3, method, path)
        assert (status, b"<Code>AccessDenied</Code>" in body or method == "HEAD") == (403, True), (
            method,
            path,
        )
    assert ask(s3, "GET", "/media/public/a?response-content-type=text/html")[0] == 400


def test_a_stranger_reads_what_an_acl_makes_public(s3):
    s3.make_bucket("media")
    s3.client().put_object(Bucket="media", Key="a b", Body=b"hello", ACL="public-read")
    s3.client().put_object(Bucket="media", Key="b", Body=b"hello")
    assert [ask(s3, "GET", quote(path))[0] for path in ("/media/a b", "/media/b")] == [200, 403]


def test_a_policy_may_take_back_what_it_gives(s3):
    s3.make_bucket("media")
    give = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["s3:Get*", "s3:ListBucket"]}
    take = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::media/*.secret",
    }
    resources = ["arn:aws:s3:::media", "arn:aws:s3:::media/*"]
    policy = {"Version": "2012-10-17", "Statement": [{**give, "Resource": resources}, take]}
    s3.client().put_bucket_policy(Bucket="media", Policy=json.dumps(policy))
    s3.client().put_object(Bucket="media", Key="a.secret", Body=b"")
    paths = ("/media", "/media/missing", "/media/a.secret")
    assert [ask(s3, "GET", path)[0] for path in paths] == [200, 404, 403]


# --- Browsers -------------------------------------------------------------------------------------


def test_another_site_may_do_what_the_rules_of_the_bucket_say(s3):
    s3.make_bucket("media", public_prefixes=[""], cors=RULES)
    s3.client().put_object(Bucket="media", Key="a", Body=b"")
    origin = {"Origin": "https://site.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = ask(
        s3, "OPTIONS", "/media", headers={**origin, "Access-Control-Request-Headers": "X-One"}
    )
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://site.example")
    for change in (
        {"Origin": "https://evil.example"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "authorization"},
    ):
        assert ask(s3, "OPTIONS", "/media", headers={**origin, **change})[0] == 403
    assert (
        ask(s3, "GET", "/media/a", headers=origin)[1]["Access-Control-Allow-Origin"]
        == "https://site.example"
    )
    assert (
        "Access-Control-Allow-Origin"
        not in ask(s3, "GET", "/media/a", headers={"Origin": "https://e.example"})[1]
    )


# --- Faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code"), [("500", "InternalError"), ("503", "SlowDown"), ("429", "TooManyRequests")]
)
def test_a_fault_answers_instead_of_the_work(s3, kind, code):
    s3.make_bucket("media")
    s3.faults.every(1, [kind])
    client = s3.client()
    assert code_of(client.put_object, Bucket="media", Key="a", Body=b"x" * 3_000_000) == code
    s3.faults.clear()
    assert "Contents" not in client.list_objects_v2(Bucket="media")
    assert [(request.fault, request.status) for request in s3.requests][-2:] == [
        (kind, int(kind)),
        (None, 200),
    ]


def test_a_dropped_connection_does_no_work(s3):
    s3.make_bucket("media")
    s3.faults.every(1, ["drop"])
    with pytest.raises(ConnectionClosedError):
        s3.client().put_object(Bucket="media", Key="a", Body=b"a")
    s3.faults.clear()
    assert "Contents" not in s3.client().list_objects_v2(Bucket="media")


def test_a_connection_dropped_in_the_middle_has_stored_the_file(s3):
    s3.make_bucket("media")
    s3.faults.every(1, ["drop-middle"])
    with pytest.raises(ConnectionClosedError):
        s3.client().put_object(Bucket="media", Key="a", Body=b"a" * 1_000_000)
    with pytest.raises(http.client.IncompleteRead) as short:
        ask(
            s3,
            "GET",
            s3.client().generate_presigned_url(
                "get_object", Params={"Bucket": "media", "Key": "a"}
            ),
        )
    assert len(short.value.partial) == 500_000
    assert [request.status for request in s3.requests][-2:] == [0, 0]


def test_every_third_request_fails_by_each_kind_in_turn(s3):
    s3.make_bucket("media", public_prefixes=[""])
    s3.client().put_object(Bucket="media", Key="a", Body=b"")
    s3.requests.clear()
    s3.faults.every(3, ["500", "503"])
    assert [ask(s3, "GET", "/media/a")[0] for _ in range(7)] == [200, 200, 500, 200, 200, 503, 200]
    assert [request.fault for request in s3.requests if request.fault] == ["500", "503"]


def test_a_test_chooses_which_requests_fail(s3):
    s3.make_bucket("media", public_prefixes=[""])
    s3.client().put_object(Bucket="media", Key="a", Body=b"")
    s3.faults.match = lambda request: "429" if request.headers.get("x-unlucky") else None
    assert ask(s3, "GET", "/media/a", headers={"X-Unlucky": "1"})[0] == 429
    assert ask(s3, "GET", "/media/a")[0] == 200


def test_latency_makes_each_request_wait(s3):
    s3.make_bucket("media")
    s3.faults.latency = 0.3
    started = time.monotonic()
    s3.client().list_objects_v2(Bucket="media")
    assert time.monotonic() - started >= 0.3


def test_retries_of_the_sdk_get_past_faults(s3):
    s3.make_bucket("media")
    client = s3.client(retries={"mode": "standard", "total_max_attempts": 5})
    s3.faults.every(2, ["500", "503", "drop", "drop-middle"])
    for number in range(8):
        client.put_object(Bucket="media", Key=str(number), Body=b"a" * 1000)
    s3.faults.clear()
    assert len(client.list_objects_v2(Bucket="media")["Contents"]) == 8


# --- Load -----------------------------------------------------------------------------------------


def test_a_large_body_passes_in_bounded_memory(s3):
    """100 MB up and down; the guard lives in this process, so its own peak must hardly move."""
    s3.make_bucket("media")
    send = (
        "import hashlib, http.client, os, sys\n"
        "up, down, host = sys.argv[1:]\n"
        "block, sent, got = os.urandom(1 << 20), hashlib.sha256(), hashlib.sha256()\n"
        "connection = http.client.HTTPConnection(host)\n"
        "def body():\n"
        "    for _ in range(100):\n"
        "        sent.update(block)\n"
        "        yield block\n"
        "connection.request('PUT', up, body(), {'Content-Length': str(100 << 20)})\n"
        "assert connection.getresponse().read() == b''\n"
        "connection.request('GET', down)\n"
        "response = connection.getresponse()\n"
        "while data := response.read(1 << 20): got.update(data)\n"
        "assert sent.digest() == got.digest()\n"
    )
    client = s3.client()
    up, down = (
        client.generate_presigned_url(
            name, Params={"Bucket": "media", "Key": "large"}
        ).removeprefix(s3.url)
        for name in ("put_object", "get_object")
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    subprocess.run(
        [sys.executable, "-c", send, up, down, urlsplit(s3.url).netloc], check=True, timeout=60
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes
    assert [request.bytes for request in s3.requests][-2:] == [100 << 20, 100 << 20]


def test_many_clients_at_once_are_served(s3):
    s3.make_bucket("media", public_prefixes=[""])
    s3.client().put_object(Bucket="media", Key="a", Body=b"hello")
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: ask(s3, "GET", "/media/a")[::2], range(120)))
    assert set(answers) == {(200, b"hello")}


def test_the_server_leaves_nothing_behind():
    with S3Server() as server:
        server.make_bucket("media")
        process, port = server.process, server.guard.server_port
    assert process.returncode is not None
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", port).connect()


def test_a_person_can_start_it_by_hand():
    command = [sys.executable, str(Path(__file__).with_name("s3_server.py")), "mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        values = dict(
            process.stdout.readline().removeprefix("export ").strip().split("=", 1)
            for _ in range(9)
        )
        address = urlsplit(values["S3_ENDPOINT_URL"]).netloc
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/mine/missing")
        assert connection.getresponse().status == 403
        connection.close()
        process.terminate()
