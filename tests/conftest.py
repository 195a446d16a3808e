"""What all tests share: laws are tried on the same examples every time, so that a build is fair.

``ZVIRKA_EXPLORE=1 pytest …`` looks for new ones.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
if not os.environ.get("ZVIRKA_EXPLORE"):
    settings.load_profile("steady")
