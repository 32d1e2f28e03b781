"""`python -m monitor` is `chat-monitor`."""

from monitor.cli import main

main()
