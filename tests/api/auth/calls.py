"""Calls of these tests, and what a refusal looks like."""

from itertools import count

from api.auth.guarded_server import Answer
from api.auth.token_issuer import claims, token
from support.secret_files import basic

CRM = f"Authorization: Basic {basic('crm')}"
READER = f"Authorization: Basic {basic('reader')}"
BEARER = f"Authorization: Bearer {token(claims(scope='unenroll:read'))}"
RECORD = b'[{"customerId": 423789336}]'
LEAVE = "/targetGroups/11/targets/21/unEnroll"
JSON = "Content-Type: application/json"
NOWHERE = (f"127.0.{number // 200 + 1}.{number % 200 + 1}" for number in count())


def refused(given: Answer, status: int) -> bool:
    """Whether it is this refusal, and all that goes with one."""
    assert given.status == status, given
    assert given.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in given.headers["content-security-policy"]
    assert given.headers["cache-control"] == "no-store"
    assert "server" not in given.headers
    return given.is_envelope
