"""The end of an asyncio server of a test, with all that it accepted."""

import asyncio
from collections.abc import Collection, Iterable


async def hang_up(servers: Iterable[asyncio.Server], writers: Collection[asyncio.StreamWriter]) -> None:
    """Close the servers and their connections; returns when no other task of this loop is left.

    ``writers`` are those of the open connections, now and later: one that was accepted this very moment has no handler
    yet that would close it.
    """
    for server in servers:
        server.close()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for writer in writers:
            writer.close()
        await asyncio.wait(others, timeout=0.01)
