"""The daemon: it puts the parts together, starts, reloads and drains them."""
