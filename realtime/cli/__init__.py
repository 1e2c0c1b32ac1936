"""The command `antiphon`, one file for each group of commands."""
