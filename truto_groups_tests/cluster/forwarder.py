"""Hand on TCP connections from one address to another, as a program: ``FROM:PORT TO:PORT``.

Truto's token is sent over plain HTTP to loopback alone, and the sandbox serves loopback alone. One
on each side of the network lets both be so.
"""

import asyncio
import contextlib
import sys


def main() -> None:
    """Serve until killed."""
    asyncio.run(_serve(*(_read_address(one) for one in sys.argv[1:3])))


def _read_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _serve(here: tuple[str, int], there: tuple[str, int]) -> None:
    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reader_there, writer_there = await asyncio.open_connection(*there)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, writer_there), _copy(reader_there, writer))

    server = await asyncio.start_server(hand_on, *here)
    async with server:
        await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A side that is gone is told to the other by the end of what it is sent.
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
