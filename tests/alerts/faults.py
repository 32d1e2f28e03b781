"""The fault lab as the fire drill uses it: each target's fault goes on until it is mended, and then all is well."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from monitor.lab.fault import RandomFault
from monitor.lab.faults.drawn import OF, mix
from monitor.lab.params import Param, text_like
from monitor.lab.scenarios import DRAWS
from monitor.lab.server import Lab, serve

HOST = "127.0.0.1"
WELL = "ok", "gap=5ms"
NAME = Param("name", text_like(r"[a-z0-9-]+", "a target's name"), "nobody", "whose fault it is")


class Faults:
    """The lab in a thread of its own, and which of its faults are mended."""

    def __init__(self, directory: Path) -> None:
        self.mended: set[str] = set()
        self.directory = directory
        self._loop = asyncio.new_event_loop()
        self._labs: dict[int, Lab] = {}
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(str(self.authority))
        self._contexts: dict[int, ssl.SSLContext] = {}

    @property
    def authority(self) -> Path:
        """The file of the certificate authority."""
        return self.directory / "authority.pem"

    def open(self, port: int = 0, *, days: int | None = None) -> int:
        """Listen on a port, with a certificate that is valid for so many days if given; return the port."""
        context = None
        if days is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._certify(context, days)
        lab: Lab = self._run(serve(HOST, port, ssl=context))
        self._labs[lab.port] = lab
        if context is not None:
            self._contexts[lab.port] = context
        return lab.port

    def renew(self, port: int, days: int) -> None:
        """Show another certificate from the next connection on."""
        self._certify(self._contexts[port], days)

    def _certify(self, context: ssl.SSLContext, days: int) -> None:
        until = datetime.now(UTC) + timedelta(days=days)
        self._authority.issue_cert(HOST, not_after=until).configure_cert(context)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the work returns
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    def pick(self, values: Mapping[str, object], turn: int) -> tuple[str, str]:
        """The fault by turns, or none once it is mended."""
        return WELL if values[NAME.name] in self.mended else mix(values, turn)

    @contextmanager
    def running(self) -> Iterator[Faults]:
        """Run the lab with one more fault: `until-mended`."""
        draw = RandomFault(name="until-mended", summary="a fault until it is mended", params=(NAME, OF), pick=self.pick)
        assert isinstance(DRAWS, dict)
        DRAWS[draw.name] = draw
        thread = threading.Thread(target=self._loop.run_forever, name="lab")
        thread.start()
        try:
            yield self
        finally:
            for lab in self._labs.values():
                self._run(lab.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()
            DRAWS.pop(draw.name, None)  # two stages can be up in one process
