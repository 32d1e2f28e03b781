"""The sinks of observations: each is a `Callable[[Observation], None]`, independent of failures of the others."""
