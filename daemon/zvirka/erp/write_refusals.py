"""Why a writer did not carry a correction out, in the words of reports."""

from __future__ import annotations

from zvirka.message import Message

GONE = Message("the row is gone, or no longer owned")
CHANGED = Message("the row changed since it was scanned")
KEY_TAKEN = Message("a client with this key is there by now")
KEY_TWICE = Message("another correction of this batch creates the same key")
KEY_HELD = Message("another client holds the new key")
NO_RESTORE = Message("the store deletes for good, there is nothing to restore")
NOT_OWNED = Message(
    "the created row is not found under its key: erp.owned does not hold for it (complete"
    " erp.on_create), or the database changed the key (a trigger)"
)
KEY_DOUBLED = Message("another row has the same key after the create, which was taken back")
CREATES_STOPPED = Message(
    "not created: an earlier create of this run ended with two rows under one key"
)
NOT_OWNED_SO = Message("the row would not be owned any more with these values")
LEFT_AS_IT_WAS = Message(
    "the database took the statement and left the row as it was (a trigger or a rule)"
)
CIRCLE = Message("clients exchange a unique value in a circle")
