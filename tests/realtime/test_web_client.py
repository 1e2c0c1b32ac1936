"""The browser page as it is served: complete, at home on this server alone, and usable without eyes or a mouse."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from posixpath import dirname, join, normpath
from typing import NamedTuple

import httpx
import pytest

from pipeline.answering.gate import Listener
from pipeline.commands import SemanticVad, SessionSettings
from pipeline.conversation.items import Item
from realtime.access.access import Access
from realtime.access.api_keys import KeyRing
from realtime.app import create_app
from realtime.page import CONTENT_SECURITY_POLICY, HEADERS
from realtime.page import FOLDER as WEB_CLIENT
from realtime.protocol.session_config import Offer
from realtime.sessions.guard import Guard
from realtime.sessions.live_sessions import Limits, Service, SessionAgent

INDEX = "index.html"
FILES = sorted(path.relative_to(WEB_CLIENT).as_posix() for path in WEB_CLIENT.rglob("*") if path.is_file())
CONTENT_TYPES = {
    "html": {"text/html"},
    "css": {"text/css"},
    "js": {"text/javascript", "application/javascript"},
    "svg": {"image/svg+xml"},
    "png": {"image/png"},
    "webmanifest": {"application/manifest+json"},
    "woff2": {"font/woff2"},
}

BINARY = (".png", ".woff2")
LICENCES = ("fonts/OFL.txt",)
"""Files that come with others and that no page asks for."""

REFERENCE = re.compile(r"""["'(]([\w./-]+\.(?:css|js|svg|png|webmanifest|woff2))["')]""")
ADDRESS = re.compile(r"""(?:https?:|wss?:|["'(])//\w""")
SVG_NAMESPACE = "http://www.w3.org/2000/svg"

ID_IN_SCRIPT = re.compile(r"""(?:element|#select|#input)\("([\w-]+)"\)|find\([\w.#]+, "#([\w-]+)["]""")
POINTERS = ("for", "list", "aria-labelledby", "aria-describedby", "aria-controls")
CONTROLS = ("button", "input", "select", "textarea", "summary", "dialog")


class Element(NamedTuple):
    tag: str
    attributes: dict[str, str | None]
    within: tuple["Element", ...]
    text: list[str]
    """All that is written in it."""


class Page(HTMLParser):
    VOID = ("meta", "link", "img", "input", "br", "path", "circle", "rect")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs), tuple(self._open), [])
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs), tuple(self._open), []))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    def find(self, *tags: str) -> Iterator[Element]:
        return (element for element in self.elements if element.tag in tags)

    def ids(self) -> list[str]:
        return [name for element in self.elements if (name := element.attributes.get("id"))]

    def name_of(self, element: Element) -> str:
        """What a screen reader calls it."""
        attributes = element.attributes
        if label := attributes.get("aria-label"):
            return label
        named_by = (attributes.get("aria-labelledby") or "").split()
        labels = [other for other in self.elements if other.attributes.get("id") in named_by]
        if element.tag in ("button", "summary"):
            labels.append(element)
        else:
            own = attributes.get("id")
            labels += [label for label in self.find("label") if own and label.attributes.get("for") == own]
            labels += [around for around in element.within if around.tag == "label"]
        return " ".join("".join(label.text) for label in labels).strip()


@pytest.fixture(scope="module")
def page() -> Page:
    return Page((WEB_CLIENT / INDEX).read_text())


def client() -> httpx.AsyncClient:
    def never(settings: SessionSettings, outlet: Listener, items: Sequence[Item]) -> SessionAgent:
        raise AssertionError("nobody connects")

    settings = SessionSettings("", (), "auto", "audio", "joe", 24_000, None, SemanticVad(), True)
    offer = Offer(settings, ("joe",), "whisper-tiny.en", "en")
    service = Service(lambda: offer, {}, never)
    guard = Guard("127.0.0.1", Access(KeyRing("sesame")))
    app = create_app(service, guard, Limits(1, 1, 1000, 1), sends_to=("models.example",))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_the_page_comes_with_the_headers_that_protect_it_and_the_protocol_without() -> None:
    async with client() as browser:
        for path in ("/", "/main.js", "/index.html"):
            served = (await browser.get(path)).headers
            assert {name: served[name] for name in HEADERS} == HEADERS
        assert "frame-ancestors 'none'" in served["content-security-policy"]
        assert "content-security-policy" not in (await browser.get("/health")).headers


async def test_the_page_is_told_where_words_go() -> None:
    async with client() as browser:
        assert (await browser.get("/health")).json()["sends_to"] == ["models.example"]


async def test_the_page_and_all_that_it_refers_to_are_served_with_their_types() -> None:
    waiting, served = ["/"], set()
    async with client() as browser:
        while waiting:
            name = waiting.pop()
            response = await browser.get(name)
            assert response.status_code == 200, name
            name = INDEX if name == "/" else name
            content_type = response.headers["content-type"].partition(";")[0]
            assert content_type in CONTENT_TYPES[name.rpartition(".")[2]], name
            served.add(name)
            if name.endswith(BINARY):
                continue
            waiting += {
                normpath(join(dirname(name), reference)) for reference in REFERENCE.findall(response.text)
            } - served
    assert sorted(served | set(LICENCES)) == FILES


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(BINARY) and name not in LICENCES])
def test_no_file_mentions_another_host(name: str) -> None:
    assert ADDRESS.findall((WEB_CLIENT / name).read_text().replace(SVG_NAMESPACE, "")) == []


def test_the_policy_lets_in_nothing_from_elsewhere_and_nothing_inline(page: Page) -> None:
    metas = [element.attributes for element in page.find("meta")]
    [policy] = [meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == CONTENT_SECURITY_POLICY
    allowed = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert allowed.pop("default-src") == "'none'"
    assert set(allowed.values()) <= {"'self'", "'none'"}
    for element in page.elements:
        assert element.tag != "style"
        assert not any(name == "style" or name.startswith("on") for name in element.attributes), element
        assert element.tag != "script" or element.attributes.get("src")


def test_every_control_has_a_name(page: Page) -> None:
    # Those of a template get their names with what is filled in.
    controls = [one for one in page.find(*CONTROLS) if all(around.tag != "template" for around in one.within)]
    assert len(controls) > 15
    assert [control.attributes for control in controls if not page.name_of(control)] == []


def test_what_is_not_text_is_named_or_hidden_from_screen_readers(page: Page) -> None:
    for picture in page.find("svg", "canvas", "img"):
        attributes = picture.attributes
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true" or attributes.get("alt") == ""


def test_ids_are_unique_and_those_referred_to_exist(page: Page) -> None:
    assert [name for name, count in Counter(page.ids()).items() if count > 1] == []
    pointed_at = {
        name
        for element in page.elements
        for pointer in POINTERS
        for name in (element.attributes.get(pointer) or "").split()
    }
    scripts = "".join((WEB_CLIENT / name).read_text() for name in FILES if name.endswith(".js"))
    wanted = {name for names in ID_IN_SCRIPT.findall(scripts) for name in names if name}
    assert len(wanted) > 20
    assert (pointed_at | wanted) - set(page.ids()) == set()


def test_captions_are_read_out(page: Page) -> None:
    live = {element.attributes.get("id"): element.attributes.get("aria-live") for element in page.elements}
    assert live["announcer"] == "polite"
    [root] = page.find("html")
    assert root.attributes.get("lang") == "en"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("<button>Go <b>on</b></button>", "Go on"),
        ("<button aria-label='Stop'>x</button>", "Stop"),
        ("<button><svg></svg></button>", ""),
        ("<label for='a'>Voice</label><input id='a'>", "Voice"),
        ("<label>Voice <input></label>", "Voice"),
        ("<label for='b'>Voice</label><input id='a'>", ""),
        ("<dialog aria-labelledby='t'><h2 id='t'>Key</h2></dialog>", "Key"),
    ],
)
def test_the_checks_know_a_name_when_there_is_one(source: str, name: str) -> None:
    page = Page(source)
    [control] = page.find(*CONTROLS)
    assert page.name_of(control) == name
