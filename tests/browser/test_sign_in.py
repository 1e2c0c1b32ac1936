"""A server that requires a key: the page asks for it once, and keeps only what it was exchanged for."""

from audio.pcm import silence
from bench.callers.browser import RATE, chromium, open_page
from tests.browser.driving import started

KEY = "sk-open-sesame"


async def test_a_person_signs_in_once_and_the_page_keeps_no_api_key() -> None:
    with started(ANTIPHON_SERVER__API_KEY=KEY) as (url, _):
        async with chromium(silence(RATE)) as browser:
            call = await open_page(browser, url)
            page = call.page
            await page.evaluate("sessionStorage.removeItem('antiphon-key')")
            sent: list[tuple[str, str]] = []
            page.on("request", lambda request: sent.append((request.url, request.headers.get("authorization", ""))))
            await page.click("#start")
            await page.wait_for_selector("#key-dialog[open]")
            assert "needs an API key" in await page.inner_text("#key-advice")
            await page.fill("#key", "sk-wrong-ключ")
            await page.click("#key-dialog button[type=submit]")
            await call.until("document.querySelector('#key-advice').textContent.includes('rejected')")
            await page.fill("#key", KEY)
            await page.click("#key-dialog button[type=submit]")
            await call.until("document.body.dataset.phase === 'live'")
            stored = await page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
            assert '"ek_' in stored
            assert KEY not in stored
            shown = [path.removeprefix(url) for path, key in sent if key == f"Bearer {KEY}"]
            assert shown == ["/v1/realtime/client_secrets"]
            assert all(key.startswith("Bearer ek_") for path, key in sent if "/calls" in path and key), sent
            await page.click("#end")
            await page.click("#start")
            await call.until("document.body.dataset.phase === 'live'")
            assert not await page.is_visible("#key-dialog")


async def test_who_is_no_longer_signed_in_is_asked_again() -> None:
    with started(ANTIPHON_SERVER__API_KEY=KEY) as (url, _):
        async with chromium(silence(RATE)) as browser:
            call = await open_page(browser, url, {"connection": "websocket"})
            await call.page.evaluate("sessionStorage.setItem('antiphon-key', 'ek_expired')")
            await call.page.click("#start")
            await call.page.wait_for_selector("#key-dialog[open]")
            assert "no longer signed in" in await call.page.inner_text("#key-advice")
