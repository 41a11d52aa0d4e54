"""A host that speaks TLS, for the tests of every transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.certificates import Certificate, make_certificate
from tests.support.upstream import Upstream


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure_upstream(certificate: Certificate) -> Iterator[Upstream]:
    with Upstream(tls=certificate.server_context()) as upstream:
        yield upstream
