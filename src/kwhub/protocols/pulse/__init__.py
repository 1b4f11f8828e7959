"""Pulse outputs of meters: edges with times become counts, counts become energy.

Source: IEC 62053-31 (pulse output devices), GB/T 17215 series (pulse constant on the name plate).
"""

__all__: list[str] = []
