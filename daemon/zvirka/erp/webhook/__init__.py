"""Corrections sent through the ERP's own webhook."""
