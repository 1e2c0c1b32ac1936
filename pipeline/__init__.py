"""The agent: audio in, audio out. Knows no network and no protocol."""

import os

# onnxruntime reads it when it is imported; otherwise it keeps a number for this machine and reports what runs on it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
