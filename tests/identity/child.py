"""A handheld as a process of its own: enrols, waits for the number of an order, carries it, waits for its end."""

import asyncio
import sys
from pathlib import Path

from kwhub.exchange.device_code import EnrolmentCode
from kwhub.exchange.device_messages import FetchWork
from kwhub.handheld.carrying import carry
from kwhub.handheld.channel import Channel, enrol
from kwhub.handheld.identity import Identity
from kwhub.handheld.vault import FileKeyStore, Vault
from kwhub.links.address import open_link
from kwhub.runtime.chance import seeded
from kwhub.runtime.clock import SystemClock


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(folder, code, meter):
    clock = SystemClock()
    opened = Vault(Path(folder) / "vault", FileKeyStore(Path(folder) / "secret")).create(
        "4711", cost=2
    )
    Identity.prepare(opened, EnrolmentCode.parse(code))
    identity = Identity(opened, clock, seeded(1))
    await enrol(identity, lambda: open_link(f"tcp:{identity.state.enrol}", clock=clock))
    channel = Channel(identity, lambda: open_link(f"tcp:{identity.state.at}", clock=clock))
    await channel.ask(FetchWork())
    say("enrolled")
    order = int(await asyncio.to_thread(sys.stdin.readline))
    link = await open_link(f"tcp:{meter}", clock=clock)

    async def exchange(frame):
        await link.write(frame)
        return await link.read()

    ended = await carry(channel, order, exchange)
    say(ended.obeyed)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
