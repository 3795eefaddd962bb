"""TLS of the readers' page: the self-made certificate, and that nothing is served in the clear beyond this machine."""

from __future__ import annotations

import http.client
import ipaddress
import signal
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from derm_kit.cli.serving import serve
from derm_kit.errors import DermKitError, RecordError
from derm_kit.readers import certificate, opening
from derm_kit.readers.certificate import Certificate, self_made
from derm_kit.readers.opening import EVERYWHERE, Door, serve_session
from derm_kit.records import teaching
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import Action, Mode
from derm_kit.triage.teaching_list import phantom_list
from tests.phones import Phone, by_command
from tests.readers import copied
from tests.serving import free_port


def read(made: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.certificate.read_bytes())


def names(made: Certificate) -> list[object]:
    return [name.value for name in read(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value]


@pytest.mark.parametrize("host", ["192.168.1.20", "fd00::20", "::ffff:192.168.1.20", "seminar-room.local", "Laptop"])
def test_it_is_for_the_one_address_or_name(tmp_path: Path, host: str):
    made = self_made(tmp_path / "readers", host)
    wanted = ipaddress.ip_address(host) if host[0].isdigit() or ":" in host else host
    assert names(made) == [wanted]
    usage = read(made).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    lasts = read(made).not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=certificate.DAYS - 1) < lasts <= timedelta(days=certificate.DAYS)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_client_that_trusts_it_connects_and_checks_the_name(tmp_path: Path, host: str):
    made = self_made(tmp_path, host)
    client = ssl.create_default_context(cafile=made.certificate)
    left, right = socket.socketpair()
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    left.close()
    right.close()
    phone = client.wrap_bio(theirs, ours, server_hostname=host)
    served = made.context().wrap_bio(ours, theirs, server_side=True)
    for side in (phone, served, phone, served):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert phone.version() in ("TLSv1.2", "TLSv1.3")
    fingerprint = ssl.DER_cert_to_PEM_cert(phone.getpeercert(binary_form=True) or b"")
    assert x509.load_pem_x509_certificate(fingerprint.encode()) == read(made)


def test_only_its_owner_may_read_it(tmp_path: Path):
    made = self_made(tmp_path / "readers", "192.168.1.20")
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700


def test_it_is_kept_and_made_anew_when_it_is_about_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = self_made(tmp_path, "192.168.1.20").fingerprint()
    assert self_made(tmp_path, "192.168.1.20").fingerprint() == first
    assert self_made(tmp_path, "192.168.1.21").fingerprint() != first
    assert self_made(tmp_path, "192.168.1.20").fingerprint() == first
    monkeypatch.setattr(certificate, "LEAST_DAYS", certificate.DAYS + 1)
    assert self_made(tmp_path, "192.168.1.20").fingerprint() != first


@pytest.mark.parametrize("harm", ["certificate", "key", "both"])
def test_one_that_a_crash_left_half_written_is_made_anew(tmp_path: Path, harm: str):
    made, other = self_made(tmp_path, "192.168.1.20"), self_made(tmp_path / "other", "192.168.1.20")
    first = made.fingerprint()
    if harm != "key":
        made.certificate.write_bytes(b"" if harm == "both" else other.certificate.read_bytes())
    if harm != "certificate":
        made.key.write_bytes(b"")
    assert self_made(tmp_path, "192.168.1.20").fingerprint() != first
    made.context()


@pytest.mark.parametrize(
    "host", [*EVERYWHERE, "", "../../etc/x", "a/b", "a b", "a..b", "-a", "a.", "*", "é", "x" * 300, "a" + "-" * 250]
)
def test_what_no_phone_can_open_gets_no_certificate(tmp_path: Path, host: str):
    with pytest.raises(DermKitError, match="a self-made certificate is for the one address or name that phones open"):
        self_made(tmp_path / "readers", host)
    assert not (tmp_path / "readers").exists()


def test_files_that_are_no_certificate_are_named(tmp_path: Path):
    (tmp_path / "a.pem").write_text("x")
    with pytest.raises(DermKitError, match=r"a\.pem.*the readers' page needs a certificate and its key as PEM"):
        Certificate(tmp_path / "a.pem", tmp_path / "a.key").context()


# The doors


@pytest.fixture
def workspace(staffed: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    folder = copied(staffed[0], tmp_path / "workspace")
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(folder))
    return folder


@pytest.fixture
def session(workspace: Path, staffed: tuple[Path, dict[str, str]]) -> TeachingSession:
    with Register.open(workspace) as register:
        return teaching.make(register, staffed[1]["ada"], "Lunch", phantom_list(2, 1, 1), Mode.BLIND_FIRST, 1)


def test_a_fingerprint_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """ ":CD:" is a compact disc to some consoles."""
    line = "Its SHA-256: 43:CD:E7:AB"
    monkeypatch.setattr(opening, "serve_session", lambda code, door, ready: ready(line))
    serve(session="ABCDEF")
    assert line in capsys.readouterr().out


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback."""
    found = [a.address for of in psutil.net_if_addrs().values() for a in of if a.family == socket.AF_INET]
    beyond = [address for address in found if not address.startswith("127.")]
    if not beyond:
        pytest.fail("this machine has no address beyond loopback to serve on")
    return beyond[0]


def test_beyond_loopback_it_is_tls_and_never_plain(workspace: Path, session: TeachingSession):
    host, port = own_address(), free_port()
    with by_command(workspace, session.code, port, "--host", host) as served:
        assert served.base == f"https://{host}:{port}"
        made = Certificate(workspace / "readers" / f"{host}.pem", workspace / "readers" / f"{host}.key")
        assert any(made.fingerprint() in line for line in served.lines)
        plain = http.client.HTTPConnection(host, port, timeout=10)
        with pytest.raises((OSError, http.client.HTTPException)):
            plain.request("GET", "/")
            plain.getresponse()
        plain.close()
        phone = Phone(served.base, tls=ssl.create_default_context(cafile=made.certificate))
        joined = phone.join(session.code, "Bee")
        assert joined.headers["Set-Cookie"].startswith(f"__Host-reader-{session.code}=")
        assert "; Secure" in joined.headers["Set-Cookie"]
        assert phone.state()["reader"] == {"alias": "Bee"}
        assert served.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("door", "told"),
    [
        (Door("192.0.2.1", 8443, proxy=True), "behind a proxy the page stays on this machine"),
        (Door(EVERYWHERE[0], 8443, Path("a.pem"), Path("a.key"), proxy=True), "behind a proxy the page stays on"),
        (Door(EVERYWHERE[0], 8443), "a self-made certificate is for the one address or name"),
        (Door("127.0.0.1", 8443, certificate=Path("a.pem")), "a certificate and its key are named together"),
        (Door("127.0.0.1", 8443, key=Path("a.key")), "a certificate and its key are named together"),
        (Door("127.0.0.1", 8443, Path("a.pem"), Path("a.key")), "needs a certificate and its key as PEM"),
        (Door("192.0.2.1", 8443), r"192\.0\.2\.1:8443: the address can be listened on"),
        (Door("no-such-host.invalid", 8443), "no-such-host.invalid:8443: the address can be listened on"),
    ],
)
def test_a_door_that_cannot_be_opened_is_named(session: TeachingSession, door: Door, told: str):
    with pytest.raises(DermKitError, match=told):
        serve_session(session.code, door, ready=pytest.fail)


def test_a_taken_port_is_named_with_the_next_one(session: TeachingSession):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DermKitError, match=f"the readers' page needs a free port.*--port {port + 1}"):
            serve_session(session.code, Door(port=port), ready=pytest.fail)


def test_a_code_of_no_session_or_of_one_that_was_broken_off_opens_nothing(
    workspace: Path, session: TeachingSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(RecordError, match="no session has this code"):
        serve_session("WRONG2", Door(), ready=pytest.fail)
    with Register.open(workspace) as register:
        teaching.take_step(register, session.id, Action.END, session.facilitator)
    with pytest.raises(RecordError, match="this session has ended"):
        serve_session(session.code, Door(), ready=pytest.fail)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "nowhere"))
    with pytest.raises(RecordError, match="there is no register here"):
        serve_session(session.code, Door(), ready=pytest.fail)
    assert not (tmp_path / "nowhere" / "register.sqlite").exists()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("192.168.1.2", False),
     (EVERYWHERE[0], False), (EVERYWHERE[1], False), ("localhost.example.org", False), ("", False),
     ("127.0.0.1.example.org", False)],
)  # fmt: skip
def test_which_addresses_are_this_machine_alone(host: str, loopback: bool):
    assert opening._is_loopback(host) is loopback
