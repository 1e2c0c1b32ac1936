"""Speech without a conversation: OpenAI's HTTP endpoints for synthesis and transcription, on the agent's own models."""
