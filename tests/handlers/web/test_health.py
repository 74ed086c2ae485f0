import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.handlers.web.browsing import PROXIED, ask
from tests.handlers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def figures(world: World) -> Figures:
    text = (await ask(world, "/metrics")).body
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Figures, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


async def a_delivery_is_turned_away(world: World) -> None:
    await ask(world, "/slack/events", method="POST", data=b"command=x")


# Figures ---------------------------------------------------------------------------------------


async def test_the_figures_count_what_stands_in_the_database(rolled_back: World) -> None:
    found = await figures(rolled_back)
    assert of(found, "rollback_runs", target="shop", state="succeeded") == 1
    assert of(found, "rollback_open_runs") == 0
    assert of(found, "rollback_oldest_waiting_seconds") == 0
    assert of(found, "rollback_publisher_lag_runs") == 0


async def test_the_figures_count_what_was_heard_and_refused(rolled_back: World) -> None:
    found = await figures(rolled_back)
    assert of(found, "rollback_deliveries_total", kind="command", answer="acked") == 1
    assert of(found, "rollback_deliveries_total", kind="click", answer="acked") == 2
    assert of(found, "rollback_refusals_total", what="press") == 1
    assert of(found, "rollback_ack_seconds_count", kind="click") == 2


async def test_what_the_guard_turned_away_is_counted(rolled_back: World) -> None:
    before = of(await figures(rolled_back), "rollback_http_turned_away_total", status="401") or 0
    await a_delivery_is_turned_away(rolled_back)
    assert of(await figures(rolled_back), "rollback_http_turned_away_total", status="401") == before + 1


async def test_no_label_holds_a_run_or_a_person(rolled_back: World) -> None:
    await a_delivery_is_turned_away(rolled_back)  # so that every label has been used
    names = {name for _, labels in await figures(rolled_back) for name, _ in labels}
    assert names == {"target", "state", "kind", "answer", "what", "status", "le", "version", "python"}


async def test_a_socket_that_was_never_opened_is_no_broken_one(rolled_back: World) -> None:
    assert of(await figures(rolled_back), "rollback_socket_connected") is None


async def test_the_figures_are_not_for_the_world(rolled_back: World) -> None:
    assert (await ask(rolled_back, "/metrics", PROXIED)).status == 404


@pytest.mark.asyncio(loop_scope="function")
async def test_a_run_that_waits_for_people_grows_older(world: World) -> None:
    await world.asks()
    world.later(minutes=9)
    found = await figures(world)
    assert of(found, "rollback_runs", target="shop", state="awaiting_approval") == 1
    assert of(found, "rollback_open_runs") == 1
    assert of(found, "rollback_socket_connected") == 1
    waiting = of(found, "rollback_oldest_waiting_seconds")
    assert waiting is not None
    assert 540 <= waiting < 600


# Readiness -------------------------------------------------------------------------------------


async def test_a_bot_that_runs_is_alive_and_ready(rolled_back: World) -> None:
    assert (await ask(rolled_back, "/healthz", PROXIED)).body == '{"alive": true}'
    ready = await ask(rolled_back, "/readyz", PROXIED)
    assert (ready.status, ready.body) == (200, '{"ready": true, "why": null}')


@pytest.mark.asyncio(loop_scope="function")
async def test_a_bot_without_its_socket_is_not_ready(world: World) -> None:
    assert world.front.socket is not None
    await world.front.socket.close(1.0)
    ready = await ask(world, "/readyz")
    assert (ready.status, ready.body) == (
        503,
        '{"ready": false, "why": "Slack: the socket is not connected"}',
    )


@pytest.mark.asyncio(loop_scope="function")
async def test_a_bot_whose_worker_has_stopped_looking_is_not_ready(world: World) -> None:
    assert world.bot.worker is not None
    await world.bot.worker.stop(1.0)
    world.later(seconds=11)
    ready = await ask(world, "/readyz")
    assert (ready.status, ready.body) == (
        503,
        '{"ready": false, "why": "worker: has not looked for work for 10 s"}',
    )


@pytest.mark.asyncio(loop_scope="function")
async def test_a_bot_that_cannot_read_its_database_is_not_ready(world: World) -> None:
    await world.store.database.write(
        lambda connection: connection.exec_driver_sql("alter table evidence rename to lost")
    )
    ready = await ask(world, "/readyz")
    assert (ready.status, ready.body) == (503, '{"ready": false, "why": "database: OperationalError"}')
    await world.store.database.write(
        lambda connection: connection.exec_driver_sql("alter table lost rename to evidence")
    )
