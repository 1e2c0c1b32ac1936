"""`python -m realtime.cli` is `antiphon`."""

from realtime.cli.main import main

main()
