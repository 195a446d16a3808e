"""All that knows a store: the Store protocol, embedded, any mapped SQL table, the webhook."""
