"""Links and pictures of the documents lead somewhere in this repository."""

from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, anchors, links

LINKS = [(document, link) for document in DOCUMENTS for link in links(document) if not link.startswith("https://")]


@pytest.mark.parametrize(
    ("document", "link"), LINKS, ids=[f"{document.relative_to(ROOT)} {link}" for document, link in LINKS]
)
def test_the_link_leads_somewhere(document: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    assert target.exists()
    assert not anchor or anchor in anchors(target)
