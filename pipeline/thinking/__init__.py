"""Thinking while speaking: two streams of tokens over one shared prefix."""
