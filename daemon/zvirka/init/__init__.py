"""Proposes a configuration from what 1C and the ERP's database really hold."""
