"""Take in the body of an answer, unpacked, and no more of it than memory can bear.

Bytes of a stream in, bytes out; who sent them and what they mean is not known here. Unpacking is
done here because the HTTP library unpacks whatever comes at once: 60 kB can be gigabytes.
"""

import asyncio
import zlib
from collections.abc import AsyncIterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

# A hundred groups of more than half a megabyte each. The pipeline lets some 48 MB wait, and with
# two such pages beside it a run stays below 500 MB.
MOST_OF_A_PAGE: Final = 64 << 20
MOST_OF_A_SMALL_ANSWER: Final = 8 << 20
MOST_OF_A_REFUSAL: Final = 1 << 20

_LARGE: Final = 2 << 20
_LARGE_AT_ONCE: Final = 2
_STEP: Final = 1 << 20
_ZIPPED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_HEADER: Final = zlib.MAX_WBITS | 32
_NO_HEADER: Final = -zlib.MAX_WBITS
_HEADER_LENGTH: Final = 2
# The first of its two bytes, because the second may come later.
_GZIP_MAGIC: Final = b"\x1f"


class BodyTooLargeError(Exception):
    """The body is larger than it may be; the rest of it was not read."""


class UnpackingError(Exception):
    """The body is not packed as it says; the text says how."""


class Scales:
    """Lets no more than a few large bodies be in memory at once."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_LARGE_AT_ONCE)

    def load(self) -> "BodyLoad":
        """Begin something of unknown weight; use it in a ``with``."""
        return BodyLoad(self._turns)


class BodyLoad:
    """What one answer weighs, from its first byte until it is put down."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        """Made by :meth:`Scales.load` alone."""
        self._turns = turns
        self._has_turn = False

    def __enter__(self) -> Self:
        """Nothing is waited for before it is heavy."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put it down."""
        self.put_down()

    def must_wait(self, byte_count: int) -> bool:
        """Whether so many bytes are more than may be had without a turn."""
        return byte_count > _LARGE and not self._has_turn

    async def take_turn(self) -> None:
        """Wait until another large body may be in memory."""
        await self._turns.acquire()
        self._has_turn = True

    def put_down(self) -> None:
        """Make room for others."""
        if self._has_turn:
            self._has_turn = False
            self._turns.release()


async def read_body(
    stream: AsyncIterable[bytes],
    *,
    encodings: Sequence[str],
    most: int,
    load: BodyLoad,
    deadline: asyncio.Timeout,
    may_be_plain: bool = False,
) -> bytes:
    """Read a body to its end.

    Args:
        stream: The body as it comes over the wire.
        encodings: How it says that it is packed. One that nobody asked for is taken as none: what
            comes out is no JSON then.
        most: Bytes that it may be large, unpacked.
        load: Waits for its turn once it is large.
        deadline: Stands still while it waits for that.
        may_be_plain: Whether an object of JSON is taken as it is, however it says to be packed:
            with an app's refusal Truto passes on the app's headers, of which this may be one.

    Raises:
        BodyTooLargeError: It is larger.
        UnpackingError: It is not packed as it says.
    """
    packer = _Zipped() if _is_zipped(encodings) else None
    pieces: list[bytes] = []
    size = 0
    is_begun = False
    async for chunk in stream:
        if may_be_plain and not is_begun and chunk[:1] == b"{":
            packer = None
        is_begun = is_begun or bool(chunk)
        for piece in (chunk,) if packer is None else packer.unpack(chunk):
            size += len(piece)
            if size > most:
                raise BodyTooLargeError
            if load.must_wait(size):
                await _wait(load, deadline)
            pieces.append(piece)
    if packer is not None and not packer.is_whole:
        raise UnpackingError("it ends before its compression does")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _wait(load: BodyLoad, deadline: asyncio.Timeout) -> None:
    clock = asyncio.get_running_loop().time
    until, now = deadline.when(), clock()
    deadline.reschedule(None)
    await load.take_turn()
    deadline.reschedule(None if until is None else clock() + until - now)


def _is_zipped(encodings: Sequence[str]) -> bool:
    named = [one.strip().lower() for text in encodings for one in text.split(",")]
    zipped = [one for one in named if one in _ZIPPED]
    if len(zipped) > 1:
        raise UnpackingError("it is compressed more than once")
    return bool(zipped)


class _Zipped:
    """A compressed stream, unpacked in steps."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(_EITHER_HEADER)
        self._is_begun = False
        self._head = b""

    @property
    def is_whole(self) -> bool:
        """Whether the stream has come to its end, or never began."""
        return self._unpacker.eof or not (self._is_begun or self._head)

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Unpack what has come, at most a megabyte at a time."""
        if not self._is_begun:
            # It takes two bytes to tell a header from none.
            chunk = self._head = self._head + chunk
            if len(chunk) < _HEADER_LENGTH:
                return
        is_full = False
        while chunk or is_full:
            if self._unpacker.eof:
                # gzip may come in several members, one after the other; all else is padding.
                chunk = chunk.lstrip(b"\0")
                if not chunk.startswith(_GZIP_MAGIC):
                    return
                self._unpacker = zlib.decompressobj(_EITHER_HEADER)
            piece = self._unpack_step(chunk)
            self._is_begun = True
            chunk = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            # The rest of it may be inside, though all that came has been taken in.
            is_full = len(piece) == _STEP
            if piece:
                yield piece

    def _unpack_step(self, chunk: bytes) -> bytes:
        try:
            return self._unpacker.decompress(chunk, _STEP)
        except zlib.error as error:
            reason = str(error)
        if not self._is_begun:
            # Some servers leave away the header that "deflate" ought to have.
            self._unpacker = zlib.decompressobj(_NO_HEADER)
            try:
                return self._unpacker.decompress(chunk, _STEP)
            except zlib.error:
                pass
        raise UnpackingError(f"it is not compressed as it says ({reason})")
