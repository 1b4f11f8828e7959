"""Which of the ports of a node a request is for: who has the meter is configured, or learnt.

A request for a meter whose slave has no link now is put to nobody else: whoever waits for a meter that
is not there cannot be asked for its own meanwhile. Where the meter was only learnt to be, it is looked
for elsewhere once that slave counts as silent.
"""

from collections.abc import Iterable, Mapping

from kwhub.bluetooth.node_settings import SlaveSettings
from kwhub.bluetooth.port import Port
from kwhub.bluetooth.registry import NodeRegistry
from kwhub.wire.passing import Dialect, Passing

__all__ = ["LEARNT_MAX", "Routes"]

LEARNT_MAX = 4_096
"""So many meters are remembered; a slave that invents numbers fills no memory."""


class Routes:
    """Knows behind which port a meter is."""

    def __init__(self, dialect: Dialect, registry: NodeRegistry) -> None:
        """Begin without having learnt anything.

        Args:
            dialect: protocol of what passes, for its addresses.
            registry: knows since when a slave is gone.
        """
        self._dialect = dialect
        self._registry = registry
        self._learnt: dict[str, str] = {}  # meter to the port that has answered for it

    def find(
        self, request: Passing, ports: Mapping[str, Port], slaves: Iterable[SlaveSettings]
    ) -> list[Port]:
        """Where a request goes: to who has the meter, else to all of whom nothing is known.

        Args:
            request: a whole frame.
            ports: what can be asked now, by name.
            slaves: as the settings have them, whether they have a link or not.
        """
        everybody = list(ports.values())
        if not request.address:
            return everybody
        known = [
            port
            for port in everybody
            if any(self._dialect.matches(request.address, meter) for meter in port.meters)
        ]
        if not request.wants_answer:
            return known or everybody
        if request.is_for_many:
            return [port for port in everybody if port in known or not port.meters]
        if known or self._is_away(request.address, ports, slaves):
            return known[:1]
        learnt = ports.get(self._learnt.get(request.address, ""))
        return [learnt] if learnt else [port for port in everybody if not port.meters]

    def owes(self, port: Port, address: str) -> bool:
        """Whether a port that was silent should have answered: it was known to have that meter.

        What was learnt of it is forgotten: the meter may be elsewhere by now.
        """
        has_learnt = self._learnt.get(address) == port.name
        if has_learnt:
            del self._learnt[address]
        is_known = any(self._dialect.matches(address, meter) for meter in port.meters)
        return not address or has_learnt or is_known

    def answered(self, address: str, port: str) -> None:
        """A meter was heard through a port."""
        self._learnt.pop(address, None)
        if len(self._learnt) >= LEARNT_MAX:
            del self._learnt[next(iter(self._learnt))]
        self._learnt[address] = port

    def _is_away(
        self, address: str, ports: Mapping[str, Port], slaves: Iterable[SlaveSettings]
    ) -> bool:
        """Whether the meter is behind a slave that has no link."""
        away = {slave.address: slave for slave in slaves if slave.address not in ports}
        if any(address in slave.meters for slave in away.values()):
            return True
        learnt = self._learnt.get(address)
        if learnt not in away:
            return False
        return self._registry.gone_for_s(learnt) < self._registry.limits.silent_s
