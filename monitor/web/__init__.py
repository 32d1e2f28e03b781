"""What the daemon shows over HTTP: /metrics, health, status pages and the same as JSON; knows nothing of the daemon."""
