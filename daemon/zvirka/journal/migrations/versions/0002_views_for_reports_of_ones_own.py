"""Views for a customer's own reports.

Revision 0002, after 0001.
"""

from __future__ import annotations

from alembic import op

from zvirka.journal.views import create_views

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    create_views(op.get_bind())
