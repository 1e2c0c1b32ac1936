"""The page without a mouse, without eyes, in the dark and on a phone."""

from pathlib import Path
from typing import Any

import pytest

from audio.pcm import silence
from bench.callers.browser import RATE, Call, chromium, open_page
from tests.browser.driving import SPEAKING, check, recording

AUDIT = Path(__file__).with_name("audit.js").read_text()
AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
"""The accessibility checker; `make check` installs it."""
VIOLATIONS = """
axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`))
"""

LOOKS: dict[str, dict[str, Any]] = {
    "desktop, light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone, dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}

CONTROLS = {
    "button",
    "checkbox",
    "combobox",
    "DisclosureTriangle",
    "link",
    "radio",
    "slider",
    "textbox",
    "image",
    "img",
}

REACHABLE = """
(scope) => [...document.querySelectorAll(`${scope} *`)]
    .filter((element) => element.matches("button, input, select, textarea, summary, a[href], [tabindex='0']"))
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .filter((element) => element.type !== "radio" || element.checked)
    .map(({ id, textContent, name }) => id || textContent || name)
"""
FOCUSED = "(({ id, textContent, name }) => id || textContent || name)(document.activeElement)"
FOCUS_IS_SEEN = """
[document.activeElement, document.activeElement.closest("label")].some((element) =>
    element && getComputedStyle(element).outlineStyle !== "none")
"""


async def complaints(call: Call) -> list[str]:
    """Everything that our own audit, axe and the accessibility tree find wrong with the page as it is now."""
    assert AXE.is_file(), "axe-core is missing; run: make check"
    await call.page.evaluate(AXE.read_text())
    violations: list[str] = await call.page.evaluate(VIOLATIONS)
    contrast: list[str] = await call.page.evaluate(AUDIT)
    return [*contrast, *violations, *(f"{role} without a name" for role in await nameless(call))]


async def nameless(call: Call) -> list[str]:
    """What a screen reader comes across and can't name."""
    devtools = await call.page.context.new_cdp_session(call.page)
    nodes = (await devtools.send("Accessibility.getFullAXTree"))["nodes"]
    seen = [node for node in nodes if not node["ignored"] and node["role"]["value"] in CONTROLS]
    assert seen
    return [node["role"]["value"] for node in seen if not node.get("name", {}).get("value", "").strip()]


async def check_tabs(call: Call, scope: str) -> None:
    """The Tab key comes by everything that can be used, and one sees where it is."""
    wanted = await call.page.evaluate(REACHABLE, scope)
    reached = [await call.page.evaluate(FOCUSED)]
    for _ in range(len(wanted) + 1):  # one more: the browser itself has its turn
        await call.page.keyboard.press("Tab")
        reached.append(await call.page.evaluate(FOCUSED))
        if reached[-1] in wanted:
            assert await call.page.evaluate(FOCUS_IS_SEEN), reached[-1]
    assert set(reached) >= set(wanted)


@pytest.mark.parametrize("look", LOOKS)
async def test_it_can_be_used_by_everyone(server: str, look: str) -> None:
    async with chromium(silence(RATE)) as browser:
        call = await open_page(browser, server, scripted=True, **LOOKS[look])
        page = call.page
        for scope, opener in (("body", ""), ("#help", "#open-help"), ("#settings", "#open-settings")):
            if opener:
                await page.keyboard.press("Escape")
                await page.click(opener)
            if scope == "#settings":
                await call.until("document.querySelector('#engine').textContent")
            assert await complaints(call) == []
            await check_tabs(call, scope)
        await page.keyboard.press("Escape")
        await page.focus("#start")
        await page.keyboard.press("Enter")
        await call.until("document.body.dataset.phase === 'live'")
        await call.say(recording("turn_06"))
        await call.until(SPEAKING)
        assert await complaints(call) == []
        await page.keyboard.press("Escape")
        await call.until("document.querySelector('li.agent.interrupted del')")
        await call.until("document.querySelector('#latest').textContent !== '–'")  # the times are the last to come
        assert await complaints(call) == []
        await page.focus("#start")
        await check_tabs(call, "body")
        check(call, server)
