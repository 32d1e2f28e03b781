"""`python -m monitor` is `chat-monitor`."""

from monitor.cli.entry import main

main()
