"""The same findings as HTML, XLSX, CSV, JSON and Markdown."""
