"""The pages, as pure functions of values: no socket, no clock, and no idea where observations are kept."""

from monitor.web.pages.every_target import status
from monitor.web.pages.frame import CONTENT_SECURITY_POLICY, About, refusal
from monitor.web.pages.one_probe import kept, probe
from monitor.web.pages.one_target import target

__all__ = ["CONTENT_SECURITY_POLICY", "About", "kept", "probe", "refusal", "status", "target"]
