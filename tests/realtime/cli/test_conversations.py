"""The commands that hold conversations, as far as they hold none."""

import pytest

from realtime.cli import conversations
from realtime.terminal.sound_card import NoSoundDevice


def test_a_machine_without_sound_devices_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "list_devices", list)
    with pytest.raises(NoSoundDevice, match="this machine has no speaker that PortAudio can use"):
        conversations.list_sound_devices()
