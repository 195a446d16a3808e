"""The texts of invented counterparties: names, tax numbers, phones, e-mails, addresses.

Each is a function of a random number, so that the same seed gives the same base.
"""

from __future__ import annotations

import base64

from zvirka.simulator import vocabulary

PHONE, PHONE_MORE, EMAIL, EMAIL_MORE, LEGAL, ACTUAL, POSTAL = range(7)
KIND_TYPES = (
    "Телефон",
    "Телефон",
    "АдресЭлектроннойПочты",
    "АдресЭлектроннойПочты",
    "Адрес",
    "Адрес",
    "Адрес",
)
"""The Тип of each kind of contact."""

LAYOUTS = (
    (LEGAL, PHONE),
    (LEGAL, PHONE, EMAIL),
    (LEGAL, ACTUAL, PHONE, EMAIL),
    (PHONE, LEGAL, EMAIL),
    (LEGAL, ACTUAL, POSTAL, PHONE, PHONE_MORE, EMAIL),
    (EMAIL, PHONE, LEGAL, ACTUAL),
    (LEGAL,),
    (PHONE, PHONE_MORE, LEGAL),
    (ACTUAL, LEGAL, EMAIL, EMAIL_MORE, PHONE),
    (LEGAL, PHONE, EMAIL),
    (PHONE,),
    (),
)
"""Which contact lines a counterparty may have, in the order of its tabular section."""

COMMENTS = ("Працювати за передоплатою", "Дзвонити після 10:00\nпитати Олену", "див. договір №5")


def version_text(number: int) -> str:
    """Return the DataVersion of that number: base64 of 8 bytes."""
    return base64.b64encode(number.to_bytes(8, "big")).decode()


def edrpou(base: int) -> int:
    """Complete a seven-digit number to a ЄДРПОУ code by its check digit."""
    digits = [int(digit) for digit in f"{base:07d}"]
    weights = (7, 1, 2, 3, 4, 5, 6) if 3_000_000 <= base <= 6_000_000 else range(1, 8)
    check = 0
    for shift in (0, 2):
        check = sum(d * (w + shift) for d, w in zip(digits, weights, strict=True)) % 11
        if check < 10:
            break
    return base * 10 + check % 10


def rnokpp(base: int) -> int:
    """Complete a nine-digit number to an РНОКПП, the ten-digit tax number of a person."""
    weights = (-1, 5, 7, 9, 4, 6, 10, 5, 7)
    total = sum(int(d) * w for d, w in zip(f"{base:09d}", weights, strict=True))
    return base * 10 + total % 11 % 10


def kz_code(base: str) -> str:
    """Complete eleven digits to a БИН or ИИН by its check digit."""
    check = 10
    for weights in (range(1, 12), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)):
        check = sum(int(d) * w for d, w in zip(base, weights, strict=True)) % 11
        if check < 10:
            break
    return f"{base}{check % 10}"


LINE_FIELDS = (
    "ЗначенияПолей",
    "Страна",
    "Регион",
    "Город",
    "АдресЭП",
    "ДоменноеИмяСервера",
    "НомерТелефона",
    "НомерТелефонаБезКодов",
    "Значение",
)


def contact_fields(type_: str, text: str, number: int | None = None) -> dict[str, str]:
    """The properties 1C derives from the text of a contact line, the long XML among them."""
    fields = dict.fromkeys(LINE_FIELDS, "")
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    fields["ЗначенияПолей"] = _FIELDS_XML.format(text=escaped, type=type_)
    fields["Значение"] = '{"value": "' + text.replace("\\", "\\\\").replace('"', '\\"') + '"}'
    if type_ == "Адрес":
        fields["Страна"] = "УКРАЇНА"
        if number is not None:
            city, region, _ = vocabulary.CITIES[number % len(vocabulary.CITIES)]
            fields["Город"], fields["Регион"] = city, region
    elif type_ == "Телефон":
        digits = "".join(each for each in text if each.isdigit())
        fields["НомерТелефона"], fields["НомерТелефонаБезКодов"] = digits, digits[-7:]
    elif "@" in text:
        fields["АдресЭП"], fields["ДоменноеИмяСервера"] = text, text.rpartition("@")[2]
    return fields


_FIELDS_XML = (
    '<КонтактнаяИнформация xmlns="http://www.v8.1c.ru/ssl/contactinfo" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" Представление="{text}">'
    '<Комментарий/><Состав xsi:type="{type}" Страна="УКРАЇНА"><Состав xsi:type="xs:string">{text}'
    "</Состав></Состав></КонтактнаяИнформация>"
)


def group_name(index: int) -> str:
    """Return the name of a group of counterparties."""
    name = vocabulary.GROUPS[index % len(vocabulary.GROUPS)]
    return (
        name if index < len(vocabulary.GROUPS) else f"{name} {index // len(vocabulary.GROUPS) + 1}"
    )


def person_name(one: int, two: int, long: int) -> str:
    """Return the name of a ФОП; the full one when ``long`` is 1."""
    people = vocabulary.MEN if one & 1 else vocabulary.WOMEN
    surname = vocabulary.SURNAMES[(one >> 1) % 40]
    name = people[(one >> 9) % 8][0]
    patronymic = people[two % 8][1]
    lead = "Фізична особа-підприємець " if long else "ФОП "
    return f"{lead}{surname} {name} {patronymic}"


def firm_name(one: int, two: int, branch: bool, long: int) -> str:
    """Return the name of a firm; the full one when ``long`` is 1."""
    form = vocabulary.FORMS[_FORM_SHARES[one & 15]][long]
    left, right = vocabulary.QUOTES[_QUOTE_SHARES[(one >> 4) & 15]]
    last = f"{vocabulary.SECOND[two & 31]}{vocabulary.THIRD[(two >> 5) & 15]}"
    name = f"{vocabulary.FIRST[(one >> 8) % 63]} {last}"
    emoji = " 🌻" if (two >> 9) % 4096 == 0 else ""
    lead = "Філія " if branch else ""
    return f"{lead}{form} {left}{name}{right}{emoji}"


_FORM_SHARES = (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5)
_QUOTE_SHARES = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3)


def soiled(number: str, stain: int) -> str:
    """Return the tax id, for four values of ``stain`` with stray spaces or missing."""
    if stain > 3:
        return number
    return (f" {number}", f"{number} ", f"{number[:4]} {number[4:]}", "")[stain]


def _phone_text(number: int) -> str:
    return vocabulary.PHONE_FORMATS[number & 3].format(
        o=vocabulary.OPERATORS[(number >> 2) % 14],
        a=100 + (number >> 8) % 900,
        b=(number >> 18) % 100,
        c=(number >> 26) % 100,
    )


def _email_text(number: int) -> str:
    domain = vocabulary.MAIL_DOMAINS[(number >> 4) % 6]
    return f"{vocabulary.MAIL_NAMES[number % 10]}{number >> 12 & 0xFFFF}@{domain}"


def _address_text(number: int) -> str:
    city, region, zip_code = vocabulary.CITIES[number % 12]
    street = vocabulary.STREETS[(number >> 4) & 15]
    between = f"{region}, " if region else ""
    house = (number >> 16) % 200 + 1
    return f"{zip_code + (number >> 8) % 90:05d}, {between}м. {city}, {street}, {house}"


CONTACT_TEXTS = (
    _phone_text,
    _phone_text,
    _email_text,
    _email_text,
    _address_text,
    _address_text,
    _address_text,
)
