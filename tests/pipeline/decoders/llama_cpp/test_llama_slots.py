import asyncio

from pipeline.decoders.llama_cpp.llama_slots import SlotPool


async def use(slots: SlotPool, holder: object) -> int:
    async with slots.lend(holder, None) as slot:
        return slot


async def test_a_holder_comes_back_to_its_slot() -> None:
    slots = SlotPool(3)
    first = await use(slots, "a")
    second = await use(slots, "b")
    assert first != second
    assert [await use(slots, "a"), await use(slots, "b"), await use(slots, "a")] == [first, second, first]


async def test_a_newcomer_takes_the_slot_that_idled_longest() -> None:
    slots = SlotPool(2)
    first, second = await use(slots, "a"), await use(slots, "b")
    await use(slots, "a")
    assert await use(slots, "c") == second
    assert await use(slots, "a") == first


async def test_a_slot_that_was_given_back_goes_first() -> None:
    slots = SlotPool(2)
    await use(slots, "a")
    second = await use(slots, "b")
    slots.forget("b")
    assert await use(slots, "c") == second


async def test_who_finds_none_waits_in_line() -> None:
    slots, order = SlotPool(1), list[str]()

    async def wait_and_use(name: str) -> None:
        async with slots.lend(name, None):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(wait_and_use(name))
    assert order == ["a", "b", "c"]


async def test_a_holder_that_is_forgotten_in_use_leaves_no_trace() -> None:
    slots = SlotPool(1)
    async with slots.lend("a", None):
        slots.forget("a")
    assert await use(slots, "b") == 0


async def test_a_prompt_is_known_as_far_as_it_is_that_which_was_read_into_its_slot() -> None:
    slots = SlotPool(1)
    assert slots.cached("a", None, [1, 2, 3]) == 0
    async with slots.lend("a", None) as slot:
        slots.note(slot, [1, 2, 3, 4])
        assert slots.cached("b", None, [1, 2]) == 0, "it is in use"
    assert [slots.cached("a", None, prompt) for prompt in ([1, 2, 3, 4, 5], [1, 2], [1, 9, 3], [7])] == [4, 2, 1, 0]
    assert slots.cached("b", None, [1, 2, 5]) == 2, "what the conversation before has left there"
    async with slots.lend("b", None) as slot:
        slots.note(slot, [1, 7])
    assert slots.cached("a", None, [1, 2, 3, 4]) == 1


async def test_a_conversation_that_wants_all_slots_leaves_half_of_them_to_others() -> None:
    slots, over = SlotPool(4), asyncio.Event()

    async def hold(holder: str, conversation: str) -> None:
        async with slots.lend(holder, conversation):
            await over.wait()

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(hold(f"hostile {number}", "hostile"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert slots.lent == 2
        async with slots.lend("honest", "honest"):
            assert slots.lent == 3
        over.set()
    assert slots.lent == 0


async def test_a_conversation_with_many_prompts_takes_its_own_slots_before_those_of_others() -> None:
    slots = SlotPool(4)
    async with slots.lend("honest", "honest") as mine:
        slots.note(mine, [1, 2, 3])
    for number in range(20):
        async with slots.lend(f"prompt {number}", "hostile") as slot:
            slots.note(slot, [number])
    assert slots.cached("honest", None, [1, 2, 3]) == 3
    async with slots.lend("honest", "honest") as slot:
        assert slot == mine


async def test_a_newcomer_takes_the_slot_that_was_left_with_most_of_its_prompt() -> None:
    slots, plain, with_tools = SlotPool(2), [1, 2, 3], [1, 2, 4, 5, 6, 7, 8, 9]

    async def converse(holder: str, prompt: list[int]) -> int:
        async with slots.lend(holder, None, [*prompt, 10]) as slot:
            slots.note(slot, [*prompt, 10])
        slots.forget(holder)
        return slot

    first, second = await converse("a", plain), await converse("b", with_tools)
    assert first != second, "hardly anything of it was in the first"
    assert [await converse("c", plain), await converse("d", with_tools), await converse("e", plain)] == [
        first,
        second,
        first,
    ]


async def test_a_holder_moves_to_the_slot_that_was_left_with_its_new_instructions() -> None:
    slots, with_tools = SlotPool(2), [1, 2, 3, 4, 5, 6]
    async with slots.lend("gone", None, with_tools) as known:
        slots.note(known, with_tools)
    slots.forget("gone")
    async with slots.lend("a", None, [1, 8, 9]) as first:
        slots.note(first, [1, 8, 9])
    assert first != known
    assert slots.cached("a", None, with_tools) == 6
    async with slots.lend("a", None, with_tools) as slot:
        assert slot == known
    async with slots.lend("b", None, [1]) as slot:
        assert slot == first, "nobody comes back to it"
    async with slots.lend("a", None, [*with_tools, 7]) as slot:
        assert slot == known
