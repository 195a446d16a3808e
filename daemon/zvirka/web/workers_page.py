"""The page of the workers: who performs runs on which machine, and what waits for whom."""

from __future__ import annotations

from starlette.responses import Response

from zvirka.web.request_context import Refused, RequestContext


def show_workers(context: RequestContext) -> Response:
    """The workers of the installation, their runs, and the queue of each server of 1C."""
    _ = context.words.gettext
    if context.web.workers is None:
        raise Refused(404, _("This installation has no workers."))
    now = context.web.now()
    flows = context.web.flows()
    addresses = {flow.name: flow.address for flow in flows if flow.standing is not None}
    return context.render(
        "workers.html",
        seen=context.web.workers(),
        addresses=addresses,
        lasting=lambda since: context.words.duration(now - since),
    )
