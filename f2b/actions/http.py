"""Asks one receiver over HTTP: what can never succeed is told apart from what is worth another try.

Owns the time until which the receiver is left alone: while it is down, thousands of bans do not each wait for it.
Redirects are not followed, since a secret is for the host that it was given to.
"""

import base64
import http.client
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import f2b
from f2b.errors import ActionError, HopelessError

TIMEOUT = 10.0
"""Seconds without a byte."""
LARGEST = 65_536
"""Bytes of an answer that are read."""
SHOWN = 200
REST, LONGEST_REST = 1.0, 60.0
"""Seconds for which a receiver that is down is left alone, doubled each time."""
LATEST = 3600.0
"""Seconds for which it can ask to be left alone itself."""
_AGAIN = frozenset({408, 425, 429})


class Answer(NamedTuple):
    """What the receiver said."""

    status: int
    body: bytes

    def json(self) -> Any:
        """What it holds; an empty object if that cannot be read."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


@dataclass(frozen=True, slots=True)
class Request:
    """`secrets` are what must not be shown, and not be sent in the open."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    secrets: Sequence[str] = ()


class Receiver:
    """`known` are error answers that the caller understands."""

    def __init__(self, cafile: str = "", clock: Callable[[], float] = monotonic) -> None:
        self._cafile = cafile
        self._clock = clock
        self._rest_until = 0.0
        self._failures = 0
        self._why = ""

    def ask(self, request: Request, known: Callable[[Answer], bool] = lambda _: False) -> Answer:
        """Its answer, if that is a success or known. Raises ActionError, or HopelessError for what never succeeds."""
        url = _checked(request)
        left = self._rest_until - self._clock()
        if left > 0:
            raise ActionError(self._why, retry=True, delay=left)
        where = f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")
        try:
            status, headers, body = self._exchange(request, url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not isinstance(error, OSError | http.client.HTTPException) or isinstance(
                error, http.client.InvalidURL
            ):  # a line feed in a header, say; the error's text may hold the secret
                raise HopelessError(f"{where}: what is to be sent is malformed") from None
            raise self._down(f"{where}: {_said(error)}") from error
        answer = Answer(status, body)
        if 200 <= status < 300 or known(answer):
            self._failures = 0
            return answer
        why = f"{where} answered {status}{_shown(body, request.secrets)}"
        if 300 <= status < 400:
            target = urlsplit(headers.get("Location", "")).hostname or where
            hint = "redirects are not followed: name the address itself"
            raise HopelessError(f"{where} answered {status} and points to {target}", hint=hint)
        if status in _AGAIN or status >= 500:
            raise self._later(why, status, _seconds(headers))
        self._failures = 0
        raise HopelessError(why)

    def _exchange(
        self, request: Request, url: SplitResult
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        assert url.hostname is not None
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=self._cafile or None)
            connection = http.client.HTTPSConnection(
                url.hostname, url.port, timeout=TIMEOUT, context=context
            )
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT)
        headers = {
            "User-Agent": f"f2b/{f2b.__version__}",
            "Connection": "close",
            **request.headers,
        }
        if url.username is not None:
            user = f"{url.username}:{url.password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        try:
            connection.request(request.method, path, request.body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read(LARGEST)
        finally:
            connection.close()

    def _later(self, why: str, status: int, delay: float | None) -> ActionError:
        if delay is not None:
            self._why = why
            self._rest_until = self._clock() + delay
        elif status >= 500:
            return self._down(why)
        return ActionError(why, retry=True, delay=delay or 0.0)

    def _down(self, why: str) -> ActionError:
        delay = min(REST * 2.0**self._failures, LONGEST_REST)
        self._failures = min(self._failures + 1, 10)
        self._why = why
        self._rest_until = self._clock() + delay
        return ActionError(why, retry=True, delay=delay)


def _checked(request: Request) -> SplitResult:
    try:
        url = urlsplit(request.url)
        right = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        url, right = urlsplit(""), False
    if not right:
        raise HopelessError("the url is none", hint="it begins with https://")
    if url.scheme == "http" and (any(request.secrets) or url.password) and not _here(url.hostname):
        hint = "write https://, or leave the secret out"
        raise HopelessError(f"a secret is not sent to {url.hostname} in the open", hint=hint)
    return url


def _here(name: str | None) -> bool:
    try:
        return name == "localhost" or ip_address(name or "").is_loopback
    except ValueError:
        return False


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no HTTP answer ({type(error).__name__})"


def _shown(body: bytes, secrets: Sequence[str]) -> str:
    text = body.decode("utf-8", "replace")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = " ".join(text.split())[:SHOWN]
    return f": {text!r}" if text else ""


def _seconds(headers: http.client.HTTPMessage) -> float | None:
    """Retry-After within bounds, as seconds or a date by the receiver's own clock; None if it says nothing."""
    text = headers.get("Retry-After", "")
    try:
        if text.isdigit():
            wanted = float(text)
        else:
            date = parsedate_to_datetime(headers.get("Date", ""))
            wanted = (parsedate_to_datetime(text) - date).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wanted, 1.0), LATEST)
