"""What the commands say about the profile that this machine gets."""

from realtime.settings import Settings, chosen_profile


def fallback_sentence(settings: Settings) -> str:
    """Why the agent has another profile than the settings want, "" if it has that one or another decoder."""
    choice = chosen_profile(settings)
    if not choice.fell_back or settings.decoder.remote or settings.decoder.model != choice.profile.decoder:
        return ""
    return f"This machine gets the profile {choice.name}: {choice.reason}."
