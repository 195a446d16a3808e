"""All that knows a store: the Store protocol, embedded, any mapped SQL table, the webhook."""

from zvirka.erp.open_store import open_store as open_store
from zvirka.erp.open_store import open_writer as open_writer
