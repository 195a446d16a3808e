"""ДвоичныеДанные, buffers over them and their hashes."""

from __future__ import annotations

from hashlib import sha256

from tests.bsl.values import (
    BslError,
    EnumValue,
)


class Bytes:
    """ДвоичныеДанные."""

    type_name = "ДвоичныеДанные"

    def __init__(self, content: bytes) -> None:
        self.content = content

    def Размер(self) -> int:
        return len(self.content)


class Buffer:
    """БуферДвоичныхДанных."""

    type_name = "БуферДвоичныхДанных"

    def __init__(self, size: int = 0, content: bytes = b"") -> None:
        self.content = bytearray(content or bytes(int(size)))

    def Установить(self, position: int, value: int) -> None:
        self.content[int(position)] = int(value)

    def ЗаписатьПобитовоеИсключительноеИли(self, position: int, other: Buffer) -> None:
        for offset, value in enumerate(other.content):
            self.content[int(position) + offset] ^= value


class Hashing:
    """ХешированиеДанных by SHA-256."""

    def __init__(self, function: EnumValue) -> None:
        if function != EnumValue("SHA256"):
            raise BslError("Неизвестная хеш-функция")
        self.sum = sha256()

    def Добавить(self, data: Bytes) -> None:
        self.sum.update(data.content)

    def bsl_get(self, name: str) -> Bytes:
        if name != "ХешСумма":
            raise BslError(f"Поле объекта не обнаружено ({name})")
        return Bytes(self.sum.digest())
