"""The three ways down: RS-485 wires, M-Bus lines, power line and wireless modules."""
