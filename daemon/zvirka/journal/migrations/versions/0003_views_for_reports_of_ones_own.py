"""Views for a customer's own reports.

Revision 0003, after 0002.
"""

from __future__ import annotations

from alembic import op

from zvirka.journal.views import create_views

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    create_views(op.get_bind())
