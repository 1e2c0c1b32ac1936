"""The history of a conversation, and the decoder's context that follows it."""
