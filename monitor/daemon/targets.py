"""Replace the config and its targets, by difference."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import structlog

from monitor.config import Config
from monitor.daemon.observations import export_budget, probe_of
from monitor.daemon.parts import Parts, in_slices
from monitor.daemon.secrets import secrets_in
from monitor.http import ALPN, resolver, tls, tls_context
from monitor.record.observation import public_url
from monitor.target import Target


async def targets_of(config: Config, found: Sequence[Target]) -> tuple[Target, ...]:
    """Return the configured and discovered targets that are probed here; thousands of targets take a while."""
    return await asyncio.to_thread(lambda: config.along_with(found).here)


async def replace_targets(parts: Parts, config: Config, targets: tuple[Target, ...]) -> None:
    """Replace the config and the targets, by difference."""
    settings = config.settings
    secrets = await asyncio.to_thread(lambda: secrets_in(parts.config, parts.targets) | secrets_in(config, targets))
    needs_restart = [
        name
        for name in ("web", "log", "metrics", "history")
        if getattr(settings, name) != getattr(parts.settings, name)
    ]
    if needs_restart:
        structlog.get_logger().warning("changed tables take effect after a restart", tables=needs_restart)
    known = {target.name: target for target in parts.targets}
    wanted = {target.name: target for target in targets}
    gone = known.keys() - wanted.keys()
    parts.schedule.probe = probe_of(parts, settings)
    parts.budget.total = config.tokens_per_day
    if settings.limits != parts.settings.limits:
        parts.schedule.limit(settings.limits)
    parts.secrets = secrets
    parts.metrics.relabel(_label_names(targets))
    await in_slices(_exported(parts, known, wanted))
    parts.config, parts.targets = config, targets
    if parts.schedule.running:
        await in_slices(parts.schedule.updating(targets))
    await in_slices(parts.recent.sharing(len(targets)))
    await in_slices(_forgotten(parts, gone))
    await parts.client.close_kept(gone)


def _exported(parts: Parts, known: Mapping[str, Target], wanted: Mapping[str, Target]) -> Iterator[None]:
    """Export what is new or changed of the targets, one by one."""
    for name, target in wanted.items():
        if known.get(name) != target:
            parts.metrics.add(target)
        export_budget(parts, target)
        yield


def _forgotten(parts: Parts, gone: Iterable[str]) -> Iterator[None]:
    """Forget targets that are not scheduled any more, one by one."""
    for name in gone:
        parts.metrics.remove(name)
        parts.recent.forget(name)
        parts.isolation.forget(name)
        parts.diagnosis.forget(name)
        yield


def _label_names(targets: Iterable[Target]) -> tuple[str, ...]:
    return tuple(sorted({name for target in targets for name in target.labels}))


async def config_loaded(parts: Parts) -> None:
    """Export the hash of the config in use; it contains no secrets, because no repr shows them."""
    digest = await asyncio.to_thread(_digest, parts.config)
    parts.metrics.config_loaded(digest, ok=True, timestamp=time.time())


def _digest(config: Config) -> str:
    here = config.here
    urls = [public_url(target.url) for target in here]  # URLs are not in a repr either
    return hashlib.sha256(repr((config.settings, here, urls)).encode()).hexdigest()


def make_ready(config: Config) -> None:
    """Read the files that probes need in advance: certificates, and the resolver's modules."""
    resolver(config.settings.network)
    read_certificates(config.here)


def read_certificates(targets: Iterable[Target]) -> None:
    """Make the TLS contexts in advance, because that reads files. An OSError names the target."""
    secure = [target for target in targets if target.url.lower().startswith("https:")]
    for target in secure:
        try:
            tls.load(target.tls, ALPN[target.http])
        except OSError as error:
            raise OSError(f"target {target.name!r}: a file of `tls` cannot be used: {error}") from error
    tls.forget()
    for target in secure:
        tls_context(target.tls, ALPN[target.http])
