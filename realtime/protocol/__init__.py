"""The OpenAI Realtime protocol, without I/O."""
