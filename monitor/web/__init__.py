"""The daemon's HTTP interface: /metrics, health checks, pages and the JSON API; it does not import the daemon."""
