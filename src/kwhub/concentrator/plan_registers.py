"""Which registers of a DL/T 645 meter the plan reads at full hours."""

from kwhub.domain.readings import Register

__all__ = ["hourly_registers"]


def hourly_registers(phases: int) -> tuple[Register, ...]:
    """Active power, voltage, current and power factor: total first, then by phase (IEC 62056-61)."""
    lines = (20, 40, 60)[: 3 if phases == 3 else 1]
    codes = ["16.7.0"]
    codes += [f"{line + 16}.7.0" for line in lines] if phases == 3 else []
    codes += [f"{line + 12}.7.0" for line in lines]
    codes += [f"{line + 11}.7.0" for line in lines]
    codes += ["13.7.0"]
    codes += [f"{line + 13}.7.0" for line in lines] if phases == 3 else []
    return tuple(Register(f"1-0:{code}") for code in codes)
