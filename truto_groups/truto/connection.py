"""Send one GET and take in its answer: the pool, the token, redirects, and sizes.

What an answer means, and whether to ask again, is exchange.py's. Nothing that one account's answer
brings along (a cookie, a redirect) has a part in what is sent for another.
"""

import asyncio
import importlib.util
import ssl
import sys
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar
from types import ModuleType
from typing import Final, cast

import httpx

from truto_groups.errors import AnswerTooLargeError, EnvelopeError, TrutoError
from truto_groups.truto.bodies import (
    MOST_OF_A_REFUSAL,
    BodyLoad,
    BodyTooLargeError,
    UnpackingError,
    read_body,
)
from truto_groups.truto.options import ClientOptions
from truto_groups.truto.refusals import Subject, shorten
from truto_groups.truto.retry import HEALING_STATUSES, Headers
from truto_groups.version import read_version

SUCCESS: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LENGTHS: Final = frozenset({"content-length", "transfer-encoding"})
_LOCATION: Final = "truto_groups.location"


@dataclass(frozen=True, slots=True)
class Received:
    """An answer, whatever it says.

    Attributes:
        status: The HTTP status.
        headers: Names in small letters, in the order in which they came.
        body: Unpacked; empty where a refusal says more than anybody reads, or what nobody can read.
        target: Where it redirects to.
        is_cut: Whether the body was left away.
    """

    status: int
    headers: Headers
    body: bytes
    target: str | None = None
    is_cut: bool = False

    @property
    def is_redirect(self) -> bool:
        """Whether it says to ask elsewhere."""
        return self.status in _REDIRECTS and self.target is not None

    @property
    def is_of_any_length(self) -> bool:
        """Whether nothing but the end of the connection says where the body ends."""
        return _LENGTHS.isdisjoint(name for name, _ in self.headers)

    @property
    def content_type(self) -> str:
        """The media type that it claims to be; empty where it claims none."""
        return next((text for name, text in self.headers if name == "content-type"), "")


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer, or not a whole one; the next may be.

    Attributes:
        reason: In words.
        is_unreached: Whether no connection came about.
    """

    reason: str
    is_unreached: bool = False


class Connection:
    """The connection pool to one Truto, with one token."""

    def __init__(
        self,
        options: ClientOptions,
        *,
        token: str,
        redact: Callable[[str], str],
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Prepare the pool; nothing is opened yet."""
        _remember_whether_sniffio_is_there()
        self._redact = redact
        self._longest_attempt = max(
            options.retry_seconds, options.connect_timeout_seconds + options.read_timeout_seconds
        )
        self._base_url = options.base_url
        self._base = httpx.URL(options.base_url)
        self._http = httpx.AsyncClient(
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Authorization": f"Bearer {token}",
                "User-Agent": f"truto-groups/{read_version()}",
            },
            cookies=_NoCookies(),
            event_hooks={"response": [_take_location]},
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=None,  # who may send is settled before: here nobody waits
                max_keepalive_connections=max(20, 4 * options.accounts_at_once),
                keepalive_expiry=30,
            ),
            timeout=httpx.Timeout(
                options.read_timeout_seconds, connect=options.connect_timeout_seconds
            ),
            transport=transport,
            # Reading all certificates takes 40 ms of CPU, and plain HTTP needs none of them.
            verify=self._base.scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=not options.is_loopback,  # no proxy stands between us and this machine
        )

    async def close(self) -> None:
        """Close the pool."""
        await self._http.aclose()

    def find_url(self, path: str) -> str:
        """The address of a path and query below the base URL."""
        return self._base_url + path

    def find_target(self, received: Received, *, url: str) -> str | None:
        """Where an answer redirects to; None unless Truto itself answers there."""
        try:
            here, there = self._base, httpx.URL(url).join(received.target or "")
            # The host is decoded only when it is asked for.
            is_same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
        except (httpx.InvalidURL, ValueError):
            return None
        return str(there) if is_same and not there.userinfo else None

    async def get(
        self, url: str, *, subject: Subject, most: int, load: BodyLoad
    ) -> Received | Lost | TrutoError:
        """Send a GET, once.

        Args:
            url: Where to.
            subject: What is asked for, for errors.
            most: Bytes that a successful answer may be large, unpacked.
            load: Waits for its turn once the answer is large.

        Returns:
            The answer; or why there is none, which is returned because an exception would be
            chained to one that holds the request, and with it the token.
        """
        try:
            # Each read has its own timeout; a server that drips one byte at a time has this one.
            async with (
                asyncio.timeout(self._longest_attempt) as deadline,
                self._http.stream("GET", url) as response,
            ):
                return await _receive(response, most=most, load=load, deadline=deadline)
        except httpx.InvalidURL:
            return EnvelopeError(
                f"{subject} cannot be asked for: the cursor or id that Truto gave is too long for "
                "a URL.",
                advice="Ask Truto's support; nothing was published.",
                integrated_account_id=subject.integrated_account_id,
            )
        except BodyTooLargeError:
            return _build_too_large(subject, most=most)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            asked = httpx.URL(url)
            told = f"no connection to {asked.host} ({type(error).__name__}: {error})"
            return Lost(shorten(self._redact(told)), is_unreached=True)
        except httpx.TimeoutException as error:
            return Lost(f"no answer in time ({type(error).__name__})")
        except TimeoutError:
            return Lost(f"no whole answer within {self._longest_attempt:g} s")
        except UnpackingError as error:
            return Lost(f"no readable answer: {error}")
        except (httpx.TransportError, httpx.DecodingError) as error:
            # Only told, never chained: the error holds the request, and that the token.
            told = f"{type(error).__name__}: {error}".rstrip(": ")
            return Lost(shorten(self._redact(told)))


async def _receive(
    response: httpx.Response, *, most: int, load: BodyLoad, deadline: asyncio.Timeout
) -> Received:
    is_success = response.status_code == SUCCESS
    headers = response.headers.multi_items()
    try:
        body = await read_body(
            # The library's own ways to read a body unpack whatever comes, however much it is.
            cast("AsyncIterable[bytes]", response.stream),
            encodings=response.headers.get_list("content-encoding"),
            most=most if is_success else MOST_OF_A_REFUSAL,
            load=load,
            deadline=deadline,
            may_be_plain=not is_success,
        )
    except BodyTooLargeError:
        if is_success:
            raise
        return Received(response.status_code, headers, b"", is_cut=True)
    except (UnpackingError, httpx.TransportError):
        # That it is to be tried again, and when, stands above the body.
        if response.status_code not in HEALING_STATUSES:
            raise
        return Received(response.status_code, headers, b"", is_cut=True)
    target = cast("str | None", response.extensions.get(_LOCATION))
    return Received(response.status_code, headers, body, target=target)


def _build_too_large(subject: Subject, *, most: int) -> AnswerTooLargeError:
    advice = "Ask Truto's support why it is that large."
    if subject.integrated_account_id is not None:
        advice = (
            "Set a smaller `page_size` for it in the settings file; where a single group is that "
            "large, leave fields of it out with `truto_exclude_fields` or "
            "`truto_ignore_remote_data` under `query`. Nothing was published."
        )
    return AnswerTooLargeError(
        f"The answer to {subject} is larger than the {most >> 20} MB that are read of one.",
        advice=advice,
        integrated_account_id=subject.integrated_account_id,
    )


async def _take_location(response: httpx.Response) -> None:
    """Take away where a redirect leads to: the library would read it, and stumble over garbage."""
    location = response.headers.get("location")
    if location is not None:
        response.extensions[_LOCATION] = location
        del response.headers["location"]


class _NoCookies(CookieJar):
    """Keeps no cookie: what one app sets would be sent for every other account."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Keep none."""

    def add_cookie_header(self, request: object) -> None:
        """Send none."""


def _remember_whether_sniffio_is_there() -> None:
    """Let Python search for sniffio once.

    httpcore imports it several times a request and goes on without it, but Python remembers no
    import that failed: that took a fifteenth of a run's CPU. Obsolete when the pull request 1103 of
    httpcore is in a release.
    """
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        cast("dict[str, ModuleType | None]", sys.modules)["sniffio"] = None
