"""What the server of forks has in memory before the first run: imports, and the languages.

Importing this module is what loads them (:mod:`zvirka.fleet.launching`).
"""

from __future__ import annotations

import zvirka.erp.sql.writer
import zvirka.fleet.run_process  # noqa: F401
from zvirka.i18n import LANGUAGES
from zvirka.i18n.words import Words

for _language in LANGUAGES:
    Words(_language)
