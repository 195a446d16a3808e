"""All that knows 1C: session, schema, catalogue, contact lines, changes."""
