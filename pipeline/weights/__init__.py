"""Model files: their sources, their verification, and whether they fit into memory."""
