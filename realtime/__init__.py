"""The edges: the OpenAI Realtime protocol, transports, the sound card and the command line."""
