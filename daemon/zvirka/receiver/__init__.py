"""The ERP-side webhook endpoint."""
