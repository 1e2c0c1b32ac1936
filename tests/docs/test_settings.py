"""Settings that the documents show are settings, and blocks of them load."""

import re
import tomllib

import pytest
from pydantic import BaseModel

from realtime.settings import Settings
from tests.docs.documents import ROOT, Block, blocks, spans

SECTIONS = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_block_of_settings_loads(block: Block) -> None:
    shown = tomllib.loads(block.text)
    settings = Settings(**shown)
    for section, keys in shown.items():
        assert keys.keys() <= getattr(settings, section).model_fields_set


def test_settings_are_named_as_they_are() -> None:
    named = {span.text for span in spans() if re.fullmatch(rf"({'|'.join(SECTIONS)})\.[a-z_]+", span.text)}
    assert len(named) > 20
    unknown = {name for name in named if name.split(".")[1] not in SECTIONS[name.split(".")[0]].model_fields}
    assert unknown == set()


def test_environment_variables_name_settings() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.*")]
    texts = [path.read_text(encoding="utf-8") for path in documents if "node_modules" not in path.parts]
    names = {tuple(name.lower().split("__")) for text in texts for name in re.findall(r"ANTIPHON_(\w+__\w+)", text)}
    assert len(names) > 2
    for section, key in names:
        assert key in SECTIONS[section].model_fields
