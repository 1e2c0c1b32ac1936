"""Any GGUF model through llama.cpp, in this process or as a server."""
