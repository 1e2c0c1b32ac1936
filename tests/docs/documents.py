"""The documents, taken apart: their blocks of code, their code in the text, and their links."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: indented, or fenced with the name of its language."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def blocks(language: str) -> tuple[Block, ...]:
    """The blocks of one language, by the name at their fence. Indented ones are "sh", "xml" or "toml".

    The docstrings of the examples are documents as well.
    """
    found: list[Block] = []
    for document in [*DOCUMENTS, *EXAMPLES]:
        for token in _tokens(document):
            line = (token.map or [0])[0] + 1
            if token.type == "fence":
                found.append(Block(document.name, line, token.info, token.content))
            elif token.type == "code_block":
                # A command and the settings that go with it may stand one after the other.
                commands, table, settings = re.split(r"(?m)(^\[\w+\]\n|\Z)", token.content, maxsplit=1)
                found.append(Block(document.name, line, "xml" if commands.startswith("<") else "sh", commands))
                found.append(Block(document.name, line, "toml", table + settings))
    return tuple(block for block in found if block.language == language and block.text.strip())


@cache
def spans() -> tuple[Block, ...]:
    """Code within the text, each with the line at which its paragraph or its row begins."""
    return tuple(
        Block(document.name, (token.map or [0])[0] + 1, "", child.content)
        for document in DOCUMENTS
        for token in _tokens(document)
        for child in token.children or ()
        if child.type == "code_inline"
    )


def links(document: Path) -> Iterator[str]:
    """Targets of a document's links and pictures."""
    for token in _tokens(document):
        for child in token.children or ():
            target = child.attrGet("src" if child.type == "image" else "href")
            if target is not None:
                yield str(target)


def anchors(document: Path) -> set[str]:
    """The fragments by which a document's headings are linked."""
    tokens = _tokens(document)
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def _tokens(document: Path) -> list[Token]:
    text = document.read_text(encoding="utf-8")
    if document.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    return MarkdownIt("commonmark").enable("table").parse(text)
