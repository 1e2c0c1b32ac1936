"""Programs that measure. Each prints a table, and writes JSON and a picture where it is asked to."""
