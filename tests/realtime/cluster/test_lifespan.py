"""Ray Serve runs an application's lifespan, which a single server does not need."""

from tests.support.realtime_server import serving


async def test_the_application_starts_and_ends_with_its_lifespan() -> None:
    received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return received.pop(0)

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    async with serving() as running:
        await running.app({"type": "lifespan", "state": {}}, receive, send)  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
