"""The page for admins and auditors: runs, reports, histories, and what a person decides."""
