"""What went wrong, in our own words."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import aiohttp
import pytest
from aiohttp import http_exceptions

from monitor.http.details import certificate_words, errno_words, head_words, lookup_words, tls_words
from monitor.http.head import HeadTooLargeError
from monitor.http.resolver import NotResolvedError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "canary"), os.strerror(errno.ECONNREFUSED)),
        (OSError(98765, "canary"), "OSError"),
        (RuntimeError("canary"), "RuntimeError"),
    ],
)
def test_the_systems_number_is_reported_in_its_words(error: Exception, words: str) -> None:
    """The text of a system error is made from its number, because its own text may contain a name or a secret."""
    assert errno_words(error) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "canary"), "unknown name"),
        (socket.gaierror(98765, "canary"), "the look-up failed"),
        (NotResolvedError(socket.EAI_FAIL, "the name server answered SERVFAIL"), "the name server answered SERVFAIL"),
    ],
)
def test_a_look_up_that_failed(error: OSError, words: str) -> None:
    """The system's refusals have our words, a name server's have come in them."""
    assert lookup_words(error) == words


def test_tls_in_openssls_words() -> None:
    """A certificate error is named in OpenSSL's words; a failure without a reason means that there is no TLS."""
    assert certificate_words(ValueError("canary")) == "ValueError"
    assert tls_words(ssl.SSLError(1, "canary")) == "no TLS answer"
    assert tls_words(aiohttp.ClientError()) == "no TLS answer"


def test_a_head_that_does_not_parse() -> None:
    """Each exceeded limit of a head has its own text."""
    assert head_words(http_exceptions.LineTooLong(b"canary", 1)) == "a line of it has more than 64 KiB"
    assert head_words(http_exceptions.BadHttpMessage("Too many headers received")) == "it has more than 1,000 headers"
    assert head_words(HeadTooLargeError()) == "it has more than 256 KiB"
    assert head_words(http_exceptions.BadStatusLine("canary")) == "no valid status line and headers"
