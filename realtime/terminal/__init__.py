"""Clients of the agent in a terminal: ask, talk and say."""
