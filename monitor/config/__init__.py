"""The config: TOML files, read whole or rejected with every mistake."""

from __future__ import annotations

from monitor.config.load import Config, all_discovered, check_window, discovered, load, target
from monitor.config.mistake import ConfigError, Mistake
from monitor.config.plan import Footprint, Plan, TargetPlan, plan
from monitor.config.schema import schema

__all__ = [
    "Config",
    "ConfigError",
    "Footprint",
    "Mistake",
    "Plan",
    "TargetPlan",
    "all_discovered",
    "check_window",
    "discovered",
    "load",
    "plan",
    "schema",
    "target",
]
