"""The pages as pure functions of values: no sockets, no clocks, no storage."""

from monitor.web.pages.environment import CONTENT_SECURITY_POLICY, About, refusal
from monitor.web.pages.failures import failures
from monitor.web.pages.probe import Neighbours, RequestFacts, probe
from monitor.web.pages.status import status
from monitor.web.pages.target import target

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "About",
    "Neighbours",
    "RequestFacts",
    "failures",
    "probe",
    "refusal",
    "status",
    "target",
]
