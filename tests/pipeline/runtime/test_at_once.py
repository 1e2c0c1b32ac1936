"""Each conversation does a bounded number of things at once."""

import asyncio

from pipeline.runtime.at_once import AtOnce


async def started(
    places: AtOnce, conversation: object, count: int, over: asyncio.Event
) -> tuple[int, asyncio.Task[None]]:
    """How many of `count` things begin at once, and the task that ends with the last."""
    begun = 0

    async def one() -> None:
        nonlocal begun
        async with places.one(conversation):
            begun += 1
            await over.wait()

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(one())

    task = asyncio.create_task(all_of_them())
    for _ in range(10):
        await asyncio.sleep(0)
    return begun, task


async def test_more_than_the_most_wait_and_others_do_not() -> None:
    places, over = AtOnce(2), asyncio.Event()
    results = [await started(places, name, count, over) for name, count in (("hostile", 9), ("honest", 1), (None, 5))]
    assert [begun for begun, _ in results] == [2, 1, 5]
    over.set()
    await asyncio.gather(*(task for _, task in results))


async def test_a_place_that_is_given_up_while_waiting_is_free_again() -> None:
    places, over = AtOnce(1), asyncio.Event()
    _, held = await started(places, "a", 1, over)
    begun, waiting = await started(places, "a", 3, over)
    assert begun == 0
    waiting.cancel()
    await asyncio.wait([waiting])
    over.set()
    await held
    async with places.one("a"):
        pass
