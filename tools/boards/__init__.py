"""The Grafana boards, as code."""
