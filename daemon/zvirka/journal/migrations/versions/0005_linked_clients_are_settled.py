"""The views count a client that another flow keeps as settled.

Revision 0005, after 0004.
"""

from __future__ import annotations

from alembic import op

from zvirka.journal.views import create_views

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    create_views(op.get_bind())


def downgrade() -> None:
    """A journal is never taken back a step."""
    raise NotImplementedError
