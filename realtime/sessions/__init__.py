"""Sessions, whatever their transport: access, limits, queues and endings."""
