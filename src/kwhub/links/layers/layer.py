"""What all layers share: the link inside."""

from kwhub.links.base import Link, LinkFacts

__all__ = ["Layer"]


class Layer:
    """A link around a link that changes nothing; layers override what they look at."""

    def __init__(self, inner: Link) -> None:
        """Put a layer around ``inner``, which from now on is used and closed through the layer."""
        self.inner = inner

    @property
    def facts(self) -> LinkFacts:
        """See Link."""
        return self.inner.facts

    async def read(self) -> bytes:
        """See Link."""
        return await self.inner.read()

    async def write(self, data: bytes) -> None:
        """See Link."""
        await self.inner.write(data)

    async def aclose(self) -> None:
        """See Link."""
        await self.inner.aclose()
