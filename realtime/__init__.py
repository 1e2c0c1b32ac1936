"""The edges of the agent: the OpenAI Realtime protocol, transports, the terminal client and the command line."""
