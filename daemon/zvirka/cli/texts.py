"""The sentences of the commands, in both languages; the domain's words are in zvirka.i18n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zvirka.settings.model import ReportSettings

Language = Literal["uk", "en"]
LANGUAGES: tuple[Language, ...] = ("uk", "en")

SENTENCES: dict[str, tuple[str, str]] = {
    # name: (Ukrainian, English)
    "feed_empty": (
        "План обміну не записав нових змін.",
        "The exchange plan has recorded no new changes.",
    ),
    "demo_begins": (
        "Імітована 1С: {count} контрагентів. ERP: SQLite. Вебхуки — справжні.",
        "A simulated 1C with {count} counterparties. ERP: SQLite. The webhooks are real.",
    ),
    "demo_night_one": (
        "Ніч перша: звірено за {seconds} с, розбіжностей: {found}.",
        "Night one: reconciled in {seconds} s, differences: {found}.",
    ),
    "demo_plan": (
        "Минув день, частина вебхуків загубилася. План: розбіжностей {found}, нічого не записано.",
        "A day passed, some webhooks were lost. Plan: {found} differences, nothing written.",
    ),
    "demo_reconcile": (
        "Ніч друга: розбіжностей {found}, виправлено й перевірено {done} за {seconds} с.",
        "Night two: {found} differences, {done} corrected and read back in {seconds} s.",
    ),
    "demo_again": (
        "Ще одна звірка: розбіжностей {found}.",
        "One more reconciliation: {found} differences.",
    ),
    "report": ("Звіт", "Report"),
    "demo_what": ("Що", "What"),
    "demo_happened": ("Подій за день", "Events that day"),
    "demo_lost": ("Загублено", "Lost"),
    "demo_untouched": (
        "Клієнт, занесений вручну, не зачеплений.",
        "The client entered by hand is untouched.",
    ),
    "demo_touched": (
        "Клієнта, занесеного вручну, змінено, а цього не має бути.",
        "The client entered by hand was changed, which must not happen.",
    ),
    "demo_well": ("ERP і 1С збігаються.", "The ERP and 1C agree."),
    "demo_badly": (
        "Демонстрація пройшла не так, як мала.",
        "The demo did not go as it should.",
    ),
    "error": ("Помилка", "Error"),
    "place": ("Де", "Where"),
    "remedy": ("Що робити", "What to do"),
    "stopping": (
        "Завершую на найближчому безпечному місці; ще раз — негайно.",
        "Ending at the next safe place; press again to end at once.",
    ),
    "interrupted": ("Перервано.", "Interrupted."),
    "unexpected": (
        "Несподівана помилка {kind}. Це вада zvirka: подробиці в журналі роботи вище.",
        "Unexpected error {kind}. This is a bug in zvirka; the log above has the details.",
    ),
    "try_help": ("Довідка: {command} --help", "Help: {command} --help"),
    "ok": ("гаразд", "ok"),
    "warning": ("увага", "warning"),
    "failure": ("збій", "failure"),
    "check_passed": ("Усе гаразд.", "All is well."),
    "check_failed": (
        "Збоїв: {count}. Сховище не зачеплено.",
        "Failures: {count}. Nothing written.",
    ),
    "settings_file": ("Файл налаштувань: {path}", "Settings file: {path}"),
    "settings_valid": ("Налаштування правильні.", "The settings are valid."),
    "key": ("Ключ", "Key"),
    "value": ("Значення", "Value"),
    "origin": ("Звідки", "From"),
    "default": ("за замовчуванням", "default"),
    "none": ("немає", "none"),
    "run": ("Запуск", "Run"),
    "began": ("Початок", "Began"),
    "command": ("Команда", "Command"),
    "status": ("Стан", "Status"),
    "found": ("Розбіжностей", "Differences"),
    "left": ("Лишилось", "Left"),
    "asked_by": ("Хто", "Who"),
    "reason": ("Причина", "Reason"),
    "no_runs": ("Запусків ще не було.", "There are no runs yet."),
    "no_held": ("Ніщо не чекає на рішення.", "Nothing waits for a decision."),
    "in_sync": ("ERP і 1С збігаються.", "The ERP and 1C agree."),
    "run_finished": (
        "Запуск {run} завершено за {seconds} с.",
        "Run {run} finished in {seconds} s.",
    ),
    "run_held": (
        "Запуск {run} утримано до схвалення.",
        "Run {run} is held for approval.",
    ),
    "run_failed": ("Запуск {run} не вдався.", "Run {run} failed."),
    "run_interrupted": ("Запуск {run} перервано.", "Run {run} was interrupted."),
    "rejected": (
        "Запуск {run}: відхилено виправлень — {count}; в ERP нічого не записано.",
        "Run {run}: {count} corrections rejected; nothing was written to the ERP.",
    ),
    "decide": (
        "Переглянути: zvirka show {run}. Вирішити: zvirka approve {run} --reason … або "
        "zvirka reject {run} --reason …",
        "Look: zvirka show {run}. Decide: zvirka approve {run} --reason … or "
        "zvirka reject {run} --reason …",
    ),
    "plan_digest": ("Дайджест плану", "Digest of the plan"),
    "decided": ("Рішення — запуск {run} ({who}).", "Decision: run {run} ({who})."),
    "by_cause": ("За причинами", "By cause"),
    "by_action": ("Потрібні дії", "Actions"),
    "by_outcome": ("Виправлення", "Corrections"),
    "remaining": ("Лишилось розбіжностей: {count}", "Differences left: {count}"),
    "reports": ("Звіти", "Reports"),
    "more": ("…і ще {count}: --all покаже всі", "… and {count} more (--all)"),
    "number": ("№", "No."),
    "code": ("Ключ", "Key"),
    "kind": ("Вид", "Kind"),
    "cause": ("Причина", "Cause"),
    "decision": ("Рішення", "Decision"),
    "field": ("Поля", "Fields"),
    "action": ("Дія", "Action"),
    "written": ("Записано: {path}", "Written: {path}"),
    "chain_good": (
        "Ланцюжок цілий до запуску {run}, дайджест {digest}.",
        "The chain is whole up to run {run}, digest {digest}.",
    ),
    "chain_bad": ("Ланцюжок порушено", "The chain is broken"),
    "pruned": (
        "Особисті дані прибрано із запусків: {count}.",
        "Personal values removed from runs: {count}.",
    ),
    "listening": ("Слухає {address}", "Listening on {address}"),
    "password": ("Пароль", "Password"),
    "password_again": ("Пароль ще раз", "Password once more"),
    "would_write": ("Було б записано: {path}", "Would be written: {path}"),
    "alert_nobody": (
        "Сповіщення не надіслано: у [alerts] немає адрес.",
        "No alert sent: [alerts] has no addresses.",
    ),
    "alert_sent": ("Сповіщення надіслано.", "The alert is sent."),
    "phase_preflight": ("Перевірка 1С", "Checking 1C"),
    "phase_pull": ("Читання 1С", "Reading 1C"),
    "phase_scan": ("Читання ERP", "Reading the ERP"),
    "phase_diff": ("Порівняння", "Comparing"),
    "phase_confirm": ("Підтвердження", "Confirming"),
    "phase_guard": ("Обмеження", "Limits"),
    "phase_recover": ("Відновлення перерваного", "Recovering"),
    "phase_agree": ("Запам'ятовування узгодженого", "Remembering what agrees"),
    "phase_apply": ("Виправлення", "Correcting"),
    "phase_verify": ("Перевірка ERP", "Verifying"),
    "phase_report": ("Звіт", "Reporting"),
    "per_second": ("{speed}/с", "{speed}/s"),
}


class Messages:
    """The sentences of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def say(self, name: str, **values: object) -> str:
        """Return the sentence of that name with the values put in."""
        return SENTENCES[name][self._column].format(**values)

    def phase(self, name: str) -> str:
        """Return the words for a phase of a run; its own name when there are none."""
        known = SENTENCES.get(f"phase_{name}")
        return known[self._column] if known else name

    def per_second(self, speed: float) -> str:
        """Return a rate in units a second."""
        shown = f"{speed:,.0f}".replace(",", "\N{NO-BREAK SPACE}")
        return self.say("per_second", speed=shown)


def language_of(
    asked: str | None, environ: Mapping[str, str], report: ReportSettings | None
) -> Language:
    """Choose the language: ``--lang``, ``ZVIRKA_LANG``, the settings, the locale.

    ``report.language`` counts only when it is set; a locale of neither language is ignored.
    """
    for choice in (asked, environ.get("ZVIRKA_LANG")):
        if choice in LANGUAGES:
            return choice
    if report is not None and "language" in report.model_fields_set:
        return report.language
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "en" if locale.lower().startswith("en") else "uk"
