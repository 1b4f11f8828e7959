"""Bluetooth Low Energy: transparent transmission over GATT, pairing that is enforced, many to many.

The stack is bumble; its controller is real (``usb:0``, ``serial:/dev/ttyACM0,1000000``) or virtual
(``air:NAME``), told apart by one string. This package knows no meter protocol: what frames look
like and which of them may pass is given to it as a `kwhub.wire.passing.Dialect`.
"""

__all__: list[str] = []
