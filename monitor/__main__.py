"""`python -m monitor` is `chat-monitor`."""

from monitor.cli.main import main

main()
