"""1C sessions over HTTP: the IBSession header, the ibsession cookie, and licences."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from http.cookies import SimpleCookie

from zvirka.simulator.faults import Faults
from zvirka.simulator.odata_answers import TEXT, OdataAnswer

_NO_LICENCE = "Не найдена лицензия. Не обнаружен свободный ключ защиты программы!"
_LOST = "Сеанс отсутствует или удален. Требуется установить новый сеанс."


class IbSessions:
    """The open sessions of the publication.

    In mode ``manage`` a client starts and finishes sessions; in ``autouse`` the web server pools
    them and the header means nothing. ``licences`` limits the open sessions; None is no limit.
    ``most`` were open at a time.
    """

    def __init__(self, mode: str, licences: int | None, faults: Faults) -> None:
        self.mode = mode
        self.licences = licences
        self.faults = faults
        self.open: set[str] = set()
        self.started = 0
        self.finished = 0
        self.most = 0
        self._lock = threading.Lock()

    def enter(self, headers: Mapping[str, str]) -> OdataAnswer | dict[str, str]:
        """Find or start the session of a request: headers to add to its answer, or a refusal."""
        if self.mode == "autouse":
            return self._refused(500) if self.faults.no_licence else {}
        asked = headers.get("ibsession", "").strip().lower()
        token = _cookie(headers.get("cookie", ""))
        with self._lock:
            if asked == "start":
                return self._start()
            if token:
                if self.faults.expire("lose_session_after"):
                    self.faults.lose_session_after = None
                    self.open.clear()
                if token not in self.open:
                    return OdataAnswer(_LOST.encode(), TEXT, self.faults.lost_session_status)
                if asked == "finish":
                    self.open.discard(token)
                    self.finished += 1
                    return {"Set-Cookie": "ibsession=; Max-Age=0; Path=/"}
                return {}
            if self._exhausted():
                return self._refused(500)
        return {}

    def _start(self) -> OdataAnswer | dict[str, str]:
        if self._exhausted():
            return self._refused(406)
        token = str(uuid.uuid4())
        self.open.add(token)
        self.started += 1
        self.most = max(self.most, len(self.open))
        return {"Set-Cookie": f"ibsession={token}; Path=/; HttpOnly"}

    def _exhausted(self) -> bool:
        full = self.licences is not None and len(self.open) >= self.licences
        return self.faults.no_licence or full

    def _refused(self, status: int) -> OdataAnswer:
        return OdataAnswer(_NO_LICENCE.encode(), TEXT, status)


def _cookie(text: str) -> str:
    found = SimpleCookie(text).get("ibsession")
    return found.value if found else ""
