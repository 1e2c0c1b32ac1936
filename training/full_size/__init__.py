"""The recipe on machines with GPUs: launch files, and a dry run of what they need."""
