"""The request and its answer: proof of the sender, proof of the delivery."""

from __future__ import annotations

import ssl
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.bsl.syntax import read
from tests.bsl.world import (
    OBJECT,
    Erp,
    World,
    core_for,
    echo,
    running_erp,
    world_for,
    written,
)
from zvirka.receiver.payload import PayloadRefusal
from zvirka.receiver.signature import HEADER, Signatures


def test_the_request_is_json_with_the_token_and_without_a_byte_order_mark(
    erp: Erp, tmp_path: Path
) -> None:
    world = world_for(erp, tmp_path, **{'"Токен", ""': '"Токен", "s3cret"'})
    written(world)
    assert erp.headers[0]["Authorization"] == "Bearer s3cret"
    assert erp.headers[0]["Content-Type"] == "application/json; charset=utf-8"
    assert erp.paths == ["/api/webhook/1c/clients"]
    assert "s3cret" not in world.log.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((422, b"{}"), "HTTP 422"),
        ((302, b""), "HTTP 302"),
        ((200, b"<html>login</html>"), "HTTP 200 with a page instead of JSON"),
        ((200, b'{"messageId": "another"}'), "HTTP 200 without this messageId"),
        ((200, b"OK"), "HTTP 200 without this messageId"),
        ((200, b'{"messageId": '), "HTTP 200 without this messageId"),
        ((200, b'{"success": false}'), "HTTP 200 with success: false"),
        ((200, b""), "HTTP 200 without this messageId"),
    ],
)
def test_an_answer_that_proves_nothing_is_logged_as_an_error(
    erp: Erp, world: World, answer: tuple[int, bytes], reason: str
) -> None:
    erp.answer = lambda _: answer
    written(world)
    [line] = world.log_lines()
    assert (line[1], line[5], line[6]) == ("ERROR", str(answer[0]), reason)


def test_an_old_receiver_delivers_with_any_2xx_but_not_with_a_login_page(
    erp: Erp, tmp_path: Path
) -> None:
    world = world_for(
        erp, tmp_path, **{'"СтрогоеПодтверждение", Истина': '"СтрогоеПодтверждение", Ложь'}
    )
    made = written(world)
    refused = (200, b" <!doctype html>"), (200, b'{"success": false, "reason": "duplicate"}')
    for answer in ((204, b""), (201, b"OK"), *refused):
        erp.answer = lambda _, given=answer: given  # type: ignore[misc]
        made.Записать()
    assert [line[1] for line in world.log_lines()] == ["INFO"] * 3 + ["ERROR"] * 2


@pytest.mark.parametrize("key", ["ключ підпису", "k" * 100])
def test_a_request_is_signed_as_the_receiver_checks_it(erp: Erp, tmp_path: Path, key: str) -> None:
    world = world_for(erp, tmp_path, **{'"КлючПодписи", ""': f'"КлючПодписи", "{key}"'})
    written(world)
    header = erp.headers[0][HEADER]
    Signatures((key,)).check(header, erp.bodies[0], world.now.replace(tzinfo=UTC))
    with pytest.raises(PayloadRefusal):
        Signatures((key,)).check(header, erp.bodies[0] + b" ", world.now.replace(tzinfo=UTC))


def test_user_and_password_are_shown_as_basic_authentication(erp: Erp, tmp_path: Path) -> None:
    password = "дуже довгий пароль, довший за рядок Base64" * 3
    login = {
        '"Пользователь", ""': '"Пользователь", "1c"',
        '"Пароль", ""': f'"Пароль", "{password}"',
    }
    written(world_for(erp, tmp_path, **login))
    scheme, _, encoded = erp.headers[0]["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert b64decode(encoded).decode() == f"1c:{password}"


def test_a_proxy_stands_between_1c_and_the_erp(erp: Erp, tmp_path: Path) -> None:
    through = {
        '"Сервер", "127.0.0.1"': '"Сервер", "erp.example.com"',
        '"ПроксиСервер", ""': '"ПроксиСервер", "127.0.0.1"',
        '"ПроксиПорт", 0': f'"ПроксиПорт", {erp.port}',
    }
    core = core_for(erp.port)
    for before, after in through.items():
        assert before in core
        core = core.replace(before, after)
    world = World(tmp_path, modules={"Zvirka": core}, object_module=read(OBJECT))
    written(world)
    assert erp.paths == [f"http://erp.example.com:{erp.port}/api/webhook/1c/clients"]
    assert erp.actions == ["create"]


def test_a_dead_network_never_stops_the_save_and_is_logged_with_its_error(tmp_path: Path) -> None:
    with running_erp() as erp:
        port = erp.port
    world = World(tmp_path, modules={"Zvirka": core_for(port)}, object_module=read(OBJECT))
    made = written(world)
    assert (made.meta.name, made.guid) in world.base.committed.rows
    attempts = world.log_lines()
    assert [line[2] for line in attempts] == ["create", "update", "update"]
    assert attempts[0][1:6] == ["ERROR", "create", str(made.guid), "000000001", "0"]
    assert attempts[0][6].startswith("Ошибка работы с Интернет")
    entry = world.base.event_log[-1]
    assert entry.bsl_get("Уровень") == "Ошибка"
    assert (entry.bsl_get("Метаданные"), entry.bsl_get("Данные")) == (
        made.meta,
        made.bsl_get("Ссылка"),
    )


def test_a_create_of_unknown_outcome_is_repeated_as_an_update(erp: Erp, world: World) -> None:
    failures = iter([(504, b"")])
    erp.answer = lambda message: next(failures, None) or echo(message)
    written(world)
    assert erp.actions == ["create", "update"]
    assert erp.messages[0]["messageId"] == erp.messages[1]["messageId"]


@dataclass(frozen=True)
class Authority:
    """A certificate authority in files: its own certificate, and one it signed for 127.0.0.1."""

    certificate: Path
    identity: Path


def authority(directory: Path) -> Authority:
    directory.mkdir()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("ca", "erp")]
    now = datetime.now(UTC)
    made = []
    for position, (key, name) in enumerate(zip(keys, names, strict=True)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=position == 0, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
            )
        )
        made.append(builder.sign(keys[0], SHA256()).public_bytes(Encoding.PEM))
    private = keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = Authority(directory / "ca.pem", directory / "erp.pem")
    files.certificate.write_bytes(made[0])
    files.identity.write_bytes(private + made[1])
    return files


@pytest.mark.parametrize(
    ("trusted", "identified", "arrives"),
    [("ours", True, True), ("ours", False, False), ("theirs", True, False)],
)
def test_certificates_are_checked_on_both_sides(
    tmp_path: Path, trusted: str, identified: bool, arrives: bool
) -> None:
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ours.certificate)
    server.load_cert_chain(ours.identity)
    server.verify_mode = ssl.CERT_REQUIRED
    bundle = {"ours": ours, "theirs": theirs}[trusted].certificate
    with running_erp(server) as erp:
        core = core_for(erp.port, **{'"ФайлСертификатов", ""': f'"ФайлСертификатов", "{bundle}"'})
        core = core.replace('"ЗащищенноеСоединение", Ложь', '"ЗащищенноеСоединение", Истина')
        if identified:
            own = f'"ФайлСертификатаКлиента", "{ours.identity}"'
            core = core.replace('"ФайлСертификатаКлиента", ""', own)
        world = World(tmp_path, modules={"Zvirka": core}, object_module=read(OBJECT))
        written(world)
        assert erp.actions == (["create"] if arrives else [])
    assert world.log_lines()[-1][1] == ("INFO" if arrives else "ERROR")
