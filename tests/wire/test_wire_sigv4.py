"""The vectors are those of AWS's own signing library, aws-c-auth, `aws-signing-test-suite/v4`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.types.secret import Secret
from puna.wire.http import HTTPRequest
from puna.wire.sigv4 import Signing, sign

NOW = 1440938160.0  # 2015-08-30T12:36:00Z
SIGNING = Signing(
    access_key_id=Secret("AKIDEXAMPLE"),
    secret_access_key=Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    region="us-east-1",
    service="service",
)
SESSION = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = b"Param1=value1"
FORM_DIGEST = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"


def request(path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> HTTPRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPRequest(method, f"https://example.amazonaws.com{path}", named, body)


BEDROCK = request("/model/m%3A0/converse", "POST", b'{"messages":[]}', content_type="a/b")


def signed_names_and_signature(signed: HTTPRequest) -> tuple[str, str]:
    scheme, credential, names, signature = signed.headers["authorization"].split(" ")
    assert scheme == "AWS4-HMAC-SHA256"
    assert credential == "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
    return names.removeprefix("SignedHeaders=").rstrip(","), signature.removeprefix("Signature=")


@pytest.mark.parametrize(
    ("asked", "names", "signature"),
    [
        pytest.param(
            request("/?Param2=value2&Param1=value1"),
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            request(f"/?{UNRESERVED}={UNRESERVED}"),
            "host;x-amz-date",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            id="get-vanilla-query-unreserved",
        ),
        pytest.param(
            request("/?ሴ=bar"),
            "host;x-amz-date",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            id="get-vanilla-utf8-query",
        ),
        pytest.param(
            request("/example space/"),
            "host;x-amz-date",
            "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            id="get-space-normalized",
        ),
        pytest.param(
            request("/ሴ"),
            "host;x-amz-date",
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            id="get-utf8",
        ),
        pytest.param(
            request(f"/{UNRESERVED}"),
            "host;x-amz-date",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            id="get-unreserved",
        ),
        pytest.param(
            request(my_header1=" value1", my_header2=' "a   b   c"'),
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
        pytest.param(
            request(method="POST"),
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
    ],
)
def test_each_vector_of_aws_has_its_signature(
    asked: HTTPRequest, names: str, signature: str
) -> None:
    signed = sign(asked, SIGNING, NOW)
    assert signed_names_and_signature(signed) == (names, signature)
    assert signed.headers["x-amz-date"] == "20150830T123600Z"
    assert (signed.method, signed.url, signed.body) == (asked.method, asked.url, asked.body)


def test_the_token_of_a_session_is_sent_and_signed() -> None:
    signed = sign(request(), replace(SIGNING, session_token=Secret(SESSION)), NOW)
    assert signed.headers["x-amz-security-token"] == SESSION
    assert signed_names_and_signature(signed) == (
        "host;x-amz-date;x-amz-security-token",
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
    )


@given(st.integers(0, len(BEDROCK.body) - 1), st.integers(1, 255))
def test_the_signature_depends_on_every_byte_of_the_body(at: int, change: int) -> None:
    body = bytearray(BEDROCK.body)
    body[at] ^= change
    other = sign(replace(BEDROCK, body=bytes(body)), SIGNING, NOW)
    assert other.headers["authorization"] != sign(BEDROCK, SIGNING, NOW).headers["authorization"]


@pytest.mark.parametrize(
    "other",
    [
        replace(BEDROCK, method="PUT"),
        replace(BEDROCK, url=BEDROCK.url.replace("%3A", "%3a")),
        replace(BEDROCK, url=BEDROCK.url + "?a=b"),
        replace(BEDROCK, url=BEDROCK.url.replace("example.amazonaws.com", "example.test:8443")),
        replace(BEDROCK, headers={"content-type": "a/c"}),
        replace(BEDROCK, headers={**BEDROCK.headers, "x": "y"}),
    ],
)
def test_the_signature_depends_on_every_other_part(other: HTTPRequest) -> None:
    signed, again = (sign(one, SIGNING, NOW).headers["authorization"] for one in (BEDROCK, other))
    assert signed.rpartition("=")[2] != again.rpartition("=")[2]


def test_the_signature_depends_on_key_time_region_and_service() -> None:
    ways = [
        (SIGNING, NOW),
        (SIGNING, NOW + 1),
        (replace(SIGNING, secret_access_key=Secret("another")), NOW),
        (replace(SIGNING, region="eu-west-1"), NOW),
        (replace(SIGNING, service="bedrock"), NOW),
    ]
    made = {sign(BEDROCK, *way).headers["authorization"].rpartition("=")[2] for way in ways}
    assert len(made) == len(ways)


def test_what_a_transport_writes_itself_is_not_signed() -> None:
    asked = replace(BEDROCK, headers={**BEDROCK.headers, "user-agent": "x", "content-length": "15"})
    names, _ = signed_names_and_signature(sign(asked, SIGNING, NOW))
    assert names == "content-type;host;x-amz-date"


def test_a_request_with_an_authorization_of_its_own_is_left_as_it_is() -> None:
    asked = replace(BEDROCK, headers={"authorization": "Bearer own"})
    assert sign(asked, SIGNING, NOW) is asked


def test_a_port_that_is_not_the_usual_one_is_part_of_the_host() -> None:
    usual = replace(BEDROCK, url="https://h.test:443/model/m/converse")
    bare = replace(BEDROCK, url="https://h.test/model/m/converse")
    other = replace(BEDROCK, url="https://h.test:8443/model/m/converse")
    one, two, three = (sign(r, SIGNING, NOW).headers["authorization"] for r in (usual, bare, other))
    assert one == two != three


def test_no_key_shows_in_what_is_printed() -> None:
    session = replace(SIGNING, session_token=Secret(SESSION))
    text = repr((session, sign(BEDROCK, session, NOW)))
    for secret in ("AKIDEXAMPLE", "wJalr", SESSION):
        assert secret not in text
