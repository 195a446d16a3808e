"""``python -m zvirka.cli``: the command line where the script ``zvirka`` is not on the path."""

import sys

from zvirka.cli import main

sys.exit(main())
