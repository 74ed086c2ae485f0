import pytest

from handlers.web.app import GATES, ROUTES, Audience, Route
from tests.handlers.web.browsing import PROXIED, ask
from tests.handlers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


RUN_ID = ":(?:RB|BK)-[1-9][0-9]{0,8}"


async def test_whatever_the_application_answers_stands_in_the_table(rolled_back: World) -> None:
    routes = rolled_back.bot.runner.app.router.routes()
    answered = {(route.method, route.resource.canonical) for route in routes if route.resource}
    assert answered == {(route.method, route.path.replace(RUN_ID, "")) for route in ROUTES}


async def test_every_audience_has_its_gate() -> None:
    assert set(GATES) == set(Audience)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
async def test_a_stranger_gets_only_what_is_public(rolled_back: World, route: Route) -> None:
    path = route.path.replace(f"{{run_id{RUN_ID}}}", "RB-1")
    answer = await ask(rolled_back, path, PROXIED, method=route.method)
    expected = {Audience.PUBLIC: 200, Audience.SLACK: 401}
    assert answer.status == expected.get(route.audience, 404)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/runs/RB-1", 200), ("/runs/RB-99", 404), ("/nothing", 404), ("/slack/events", 405), ("/metrics", 200)],
)
async def test_every_answer_protects_whoever_reads_it(rolled_back: World, path: str, status: int) -> None:
    answer = await ask(rolled_back, path)
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
