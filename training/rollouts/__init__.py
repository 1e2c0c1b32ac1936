"""Answers of the model in training, many at a time: by transformers in this process, or by a vLLM server."""
