"""What is said while a tool runs or a slow model writes, so that nobody waits in silence."""
