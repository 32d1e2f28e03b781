"""The daemon: connects the parts, starts, reloads and drains them."""
