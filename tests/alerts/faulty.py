"""A protocol from outside with a bug in it, for as long as a file named by the environment exists."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from monitor.protocols.openai_chat import OPENAI_CHAT
from monitor.stream.events import Event, Message

BUG = "CHAT_MONITOR_TEST_BUG"


def interpret(message: Message) -> Iterable[Event]:
    """Raise what no protocol may, or read the message as it should be read."""
    if Path(os.environ[BUG]).exists():
        raise RuntimeError("a bug in a protocol from outside")
    return OPENAI_CHAT.interpret(message)


PROTOCOL = replace(OPENAI_CHAT, name="faulty", interpret=interpret)
