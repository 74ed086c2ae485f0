"""What is counted while it happens; what the database knows is read at each scrape, by `handlers.web.scrape`.

Few series: no label holds a run, a person or a text from outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

ACK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)  # Slack waits for 3 s
KINDS = {
    "block_actions": "click",
    "view_submission": "view",
    "view_closed": "view",
    "shortcut": "shortcut",
    "message_action": "shortcut",
    "event_callback": "event",
}


@dataclass(frozen=True, slots=True)
class Metrics:
    """The instruments of one application, and the registry that they alone are in."""

    registry: CollectorRegistry
    deliveries: Counter  # by kind and answer: acked, refused (not ours), failed
    ack: Histogram  # by kind, seconds from the door to the answer
    refusals: Counter  # by what was refused for a reason: request, press, read only
    turned_away: Counter  # by HTTP status, before anything was parsed
    not_accepted: Counter  # by why: full, quota, late, database, unknown
    taken: Gauge  # deliveries in work
    waiting: Gauge  # deliveries that wait for a place

    def heard(self, payload: Mapping[str, Any], status: int, seconds: float) -> None:
        """One delivery from Slack was answered."""
        kind = kind_of(payload)
        self.deliveries.labels(kind, answer_of(status)).inc()
        self.ack.labels(kind).observe(seconds)


def new_metrics() -> Metrics:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Metrics(
        registry,
        Counter(
            "rollback_deliveries",
            "Payloads from Slack, over HTTP and Socket Mode.",
            ("kind", "answer"),
            registry=registry,
        ),
        Histogram(
            "rollback_ack_seconds",
            "From a verified payload to its answer, what it causes committed.",
            ("kind",),
            buckets=ACK_SECONDS,
            registry=registry,
        ),
        Counter(
            "rollback_refusals",
            "Requests and presses that people were refused, with a reason.",
            ("what",),
            registry=registry,
        ),
        Counter(
            "rollback_http_turned_away",
            "HTTP requests that the guard did not let in.",
            ("status",),
            registry=registry,
        ),
        Counter(
            "rollback_not_accepted",
            "Payloads that there was no room or no time for, and whose senders were told so.",
            ("why",),
            registry=registry,
        ),
        Gauge("rollback_deliveries_in_work", "Payloads being answered.", registry=registry),
        Gauge("rollback_deliveries_waiting", "Payloads that wait to be answered.", registry=registry),
    )


def kind_of(payload: Mapping[str, Any]) -> str:
    if "command" in payload:
        return "command"
    kind = payload.get("type")
    return KINDS.get(kind, "other") if isinstance(kind, str) else "other"


def answer_of(status: int) -> str:
    if status < 400:
        return "acked"
    return "refused" if status == 403 else "failed"
