"""The typed settings: model, loading with provenance, secrets, cross-checks, profiles."""
