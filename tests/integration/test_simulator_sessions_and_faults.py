"""The simulated publication misbehaving: sessions, licences, rights, broken answers and wires."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.simulator_client import CATALOGUE, Client, simulated
from zvirka.simulator import Simulator


def test_credentials_are_utf_8_and_nothing_else(served: tuple[Simulator, Client]) -> None:
    sim, client = served

    def status(header: str | None) -> int:
        headers = {"Authorization": header} if header else {}
        return requests.get(f"{sim.url}$metadata", headers=headers, timeout=10).status_code

    def basic(text: str, encoding: str) -> str:
        return "Basic " + base64.b64encode(text.encode(encoding)).decode()

    assert client.get("$metadata").status_code == 200
    assert status(None) == 401
    assert status(basic(f"{sim.user}:{sim.password}", "utf-8")) == 200
    assert status(basic(f"{sim.user}:{sim.password}", "cp1251")) == 401
    assert status(basic(f"{sim.user}:wrong", "utf-8")) == 401
    assert status("Basic %%%") == 401


def test_https_is_served_with_the_certificate_given(tmp_path: Path) -> None:
    pem = tmp_path / "self-signed.pem"
    pem.write_bytes(self_signed("127.0.0.1"))
    with simulated(certificate=pem) as (sim, client):
        assert sim.url.startswith("https://")
        with pytest.raises(requests.exceptions.SSLError):
            client.get(CATALOGUE, top=1)
        client.session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify
        client.session.verify = str(pem)
        assert len(client.rows(top=1)) == 1


def self_signed(address: str) -> bytes:
    """A key and a certificate for that address in PEM, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulator")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def test_the_password_is_in_no_representation() -> None:
    with simulated(password="таємниця") as (sim, client):
        assert client.get("$metadata").status_code == 200
        assert "таємниця" not in repr(sim) + repr(sim.sessions) + repr(sim.faults)
        assert "authorization" not in sim.requests[-1].headers


def test_a_session_is_started_used_and_finished(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    answer = client.get(CATALOGUE, {"IBSession": "start"}, top=1)
    assert answer.cookies["ibsession"]
    assert len(sim.sessions.open) == 1
    assert client.get(CATALOGUE, top=1).status_code == 200
    client.get(CATALOGUE, {"IBSession": "finish"}, top=1)
    assert (sim.sessions.started, sim.sessions.finished, sim.sessions.open) == (1, 1, set())


def test_an_unknown_session_is_refused(served: tuple[Simulator, Client]) -> None:
    _, client = served
    assert client.get(CATALOGUE, {"Cookie": "ibsession=stale"}, top=1).status_code == 400


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_session_can_be_lost_midway(served: tuple[Simulator, Client], status: int) -> None:
    sim, client = served
    client.get(CATALOGUE, {"IBSession": "start"}, top=1)
    sim.faults.lose_session_after = 2
    sim.faults.lost_session_status = status
    found = [client.get(CATALOGUE, top=1).status_code for _ in range(4)]
    assert found == [200, 200, status, status]
    client.session.cookies.clear()
    assert client.get(CATALOGUE, {"IBSession": "start"}, top=1).status_code == 200
    assert client.get(CATALOGUE, top=1).status_code == 200


def test_sessions_take_licences() -> None:
    with simulated(licences=1) as (sim, client):
        client.get(CATALOGUE, {"IBSession": "start"}, top=1)
        other = Client(sim)
        refused = other.get(CATALOGUE, {"IBSession": "start"}, top=1)
        assert refused.status_code == 406
        assert "лицензия" in refused.text
        assert other.get(CATALOGUE, top=1).status_code == 500
        client.get(CATALOGUE, {"IBSession": "finish"}, top=1)
        assert other.get(CATALOGUE, {"IBSession": "start"}, top=1).status_code == 200
        other.session.close()


def test_a_pooling_publication_ignores_the_session_header() -> None:
    with simulated(sessions="autouse") as (sim, client):
        answer = client.get(CATALOGUE, {"IBSession": "start"}, top=1)
        assert answer.status_code == 200
        assert "ibsession" not in answer.cookies
        sim.faults.no_licence = True
        assert client.get(CATALOGUE, top=1).status_code == 500


def test_maintenance_and_another_publication_are_told_apart(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    missing = requests.get(sim.url.replace("/base/", "/bsae/"), timeout=10)
    assert missing.status_code == 404
    assert "html" in missing.headers["Content-Type"]
    sim.faults.maintenance = True
    locked = client.get(CATALOGUE, top=1)
    assert locked.status_code == 503
    assert "регламентные работы" in locked.text


def test_failures_come_as_often_as_asked_and_to_whom_asked(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    sim.faults.fail_500 = 2
    sim.faults.only = CATALOGUE
    sim.faults.skip = 1
    found = [client.get(path, top=1).status_code for path in ["$metadata", *[CATALOGUE] * 4]]
    assert found == [200, 200, 500, 500, 200]
    sim.faults.fail_500_at = {7}
    sim.faults.fail_status = 503
    assert [client.get(CATALOGUE, top=1).status_code for _ in range(3)] == [200, 503, 200]


def test_authorisation_can_be_lost_midway(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    sim.faults.unauthorized_after = 2
    assert [client.get(CATALOGUE, top=1).status_code for _ in range(4)] == [200, 200, 401, 401]
    sim.faults.unauthorized_after = None
    assert client.get(CATALOGUE, top=1).status_code == 200


def test_a_dropped_connection_breaks_the_body_and_the_next_request_works(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    sim.faults.drop_after_bytes = 500
    with pytest.raises(requests.exceptions.RequestException):
        client.get(CATALOGUE)
    assert client.get(CATALOGUE).status_code == 200


def test_truncated_json_looks_whole_to_http(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    sim.faults.truncate_json = 1
    cut = client.get(CATALOGUE)
    assert cut.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.content)
    assert client.rows()


def test_an_html_page_comes_with_status_200(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    sim.faults.html_200 = 1
    page = client.get(CATALOGUE)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert client.rows(top=1)


def test_a_stalled_answer_runs_into_the_read_timeout(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    sim.faults.stall = 1.0
    with pytest.raises(requests.exceptions.RequestException):
        client.session.get(client.url(CATALOGUE, {"format": "json"}), timeout=0.1)


def test_count_may_not_be_served_and_heavy_answers_may_fill_the_disk(
    served: tuple[Simulator, Client],
) -> None:
    sim, client = served
    sim.faults.no_count = True
    assert client.refused(f"{CATALOGUE}/$count")[:2] == (400, "6")
    sim.faults.full_disk_above = 10
    status, _, text = client.refused()
    assert status == 500
    assert "No space left on device" in text
    assert len(client.rows(top=10)) == 10


def test_rows_inserted_and_deleted_between_pages_shift_pages_in_skip_order() -> None:
    with simulated(profile="trade") as (sim, client):
        first = client.rows(orderby="Ref_Key", top=10, select="Ref_Key")

        def delete_a_row_already_read(page: int) -> None:
            if page == 2:  # counted from the first page read with the hook in place
                sim.base.delete(first[0]["Ref_Key"])

        before = set(sim.base.refs())
        sim.faults.between_pages = delete_a_row_already_read
        found = set()
        for skip in range(0, 70, 10):
            page = client.rows(orderby="Ref_Key", top=10, skip=skip, select="Ref_Key")
            found |= {row["Ref_Key"] for row in page}
        lost = before - found
        assert len(lost) == 1
        assert lost <= set(sim.base.refs())


def test_writing_over_the_interface_is_refused(served: tuple[Simulator, Client]) -> None:
    sim, client = served
    before = client.count()
    for method in ("POST", "PATCH", "DELETE"):
        answer = client.session.request(method, f"{sim.url}{CATALOGUE}", data=b"{}", timeout=10)
        assert answer.status_code == 501
    assert client.count() == before
