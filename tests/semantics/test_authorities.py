"""What may stand in a caBundle."""

from __future__ import annotations

import pytest

from pilothouse.kit import tls
from pilothouse.semantics.validation.authorities import bundle_fault

GOOD = tls.new_authority("some authority", now=1_700_000_000.0).certificate
BAD = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OTHER = b"-----BEGIN SOMETHING-----\nAAAA\n-----END SOMETHING-----\n"
HEADED = GOOD.replace(b"CERTIFICATE-----\n", b"CERTIFICATE-----\nA: b\n\n", 1)
UNREADABLE = "unable to parse bytes as PEM block"
NONE = "no valid certificate authority data seen"
MALFORMED = "failed to parse certificate: x509: malformed certificate"


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        GOOD,
        GOOD.rstrip(b"\n"),
        GOOD.replace(b"\n", b"\r\n"),
        b"some words\n" + GOOD + b"and more",
        BAD + OTHER + GOOD,
        b"-----BEGIN CERTIFICATE-----\n" + GOOD,
    ],
)
def test_one_certificate_that_can_be_read_is_enough(bundle: bytes) -> None:
    assert bundle_fault(bundle) == ""


@pytest.mark.parametrize(
    ("bundle", "why"),
    [
        (b"not a certificate", UNREADABLE),
        (b"-----BEGIN CERTIFICATE-----\n" + b"A" * 20, UNREADABLE),
        (GOOD.replace(b"-----END CERTIFICATE", b"-----END SOMETHING"), UNREADABLE),
        (GOOD.replace(b"END CERTIFICATE-----", b"END CERTIFICATE"), UNREADABLE),
        (GOOD.replace(b"\n", b"\n!", 2), UNREADABLE),
        (OTHER, NONE),
        (HEADED, NONE),
        (OTHER + b"more", UNREADABLE),
        (BAD, MALFORMED),
        (OTHER + BAD + b"more", MALFORMED),
    ],
)
def test_what_is_wrong_is_said_in_upstreams_words(bundle: bytes, why: str) -> None:
    assert bundle_fault(bundle) == f"unable to load root certificates: {why}"
