"""Where observations go: each sink is a `Callable[[Observation], None]`, and one sink's fault is not another's."""
