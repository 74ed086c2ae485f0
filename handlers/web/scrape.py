"""The figures that are not counted but read: from the database and the worker, at the moment of a scrape."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.reading import Counts


@dataclass(frozen=True, slots=True)
class Scrape(Collector):
    counts: Counts
    sweep_age: timedelta | None  # None: this process drives nothing
    connected: bool | None  # None: Socket Mode is not open, so there is no such series
    now: datetime

    def collect(self) -> Iterator[Metric]:
        runs = GaugeMetricFamily("rollback_runs", "Runs by target and state.", labels=("target", "state"))
        for (target, state), count in sorted(self.counts.runs.items()):
            runs.add_metric((target, state), count)
        yield runs
        yield GaugeMetricFamily("rollback_open_runs", "Runs that have not ended.", self.counts.open_runs)
        yield GaugeMetricFamily(
            "rollback_oldest_waiting_seconds",
            "How long the people of a waiting run have been silent at most; 0: none waits.",
            self._waiting(),
        )
        yield GaugeMetricFamily(
            "rollback_publisher_lag_runs",
            "Runs whose cards do not show the stored state yet.",
            self.counts.behind,
        )
        if self.sweep_age is not None:
            yield GaugeMetricFamily(
                "rollback_sweep_age_seconds",
                "Since the worker last looked for work.",
                self.sweep_age.total_seconds(),
            )
        if self.connected is not None:
            yield GaugeMetricFamily(
                "rollback_socket_connected", "1: the socket to Slack stands.", int(self.connected)
            )
        build = GaugeMetricFamily("rollback_build_info", "Always 1.", labels=("version", "python"))
        build.add_metric((version("rollback-bot"), platform.python_version()), 1)
        yield build

    def _waiting(self) -> float:
        since = self.counts.waiting_since
        return 0.0 if since is None else (self.now - since).total_seconds()
