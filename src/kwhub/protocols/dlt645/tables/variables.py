"""Values of this moment: voltage, current, power and what the meter knows of itself.

Source: DL/T 645-2007, annex A, table A.3; rows marked as single source come from the filings.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES", "SOUTHERN_GRID"]

VOLTAGE = ("1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
CURRENT = ("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0")
ACTIVE = ("1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0")
REACTIVE = ("1-0:131.7.0", "1-0:151.7.0", "1-0:171.7.0", "1-0:191.7.0")
APPARENT = ("1-0:9.7.0", "1-0:29.7.0", "1-0:49.7.0", "1-0:69.7.0")
FACTOR = ("1-0:13.7.0", "1-0:33.7.0", "1-0:53.7.0", "1-0:73.7.0")

# fmt: off
SOUTHERN_GRID = rows(
    "Southern Grid extension of DL/T 645-2007, table A.3",
    Family("0280000B", "XX.XXXX", "kW", "neutral active power (Southern Grid)", "零线有功功率(南网)"),
    Family("0280000C", "X.XXX", "", "neutral power factor (Southern Grid)", "零线功率因数(南网)"),
    Family("0280000E", "XXX.XXX", "A", "line current (Southern Grid)", "火线电流(南网)"),
    Family("0280000F", "XX.XXXX", "kW", "line active power (Southern Grid)", "火线有功功率(南网)"),
    Family("02800010", "X.XXX", "", "line power factor (Southern Grid)", "火线功率因数(南网)"),
    single_source=True,
)
"""Rows of another grid company; one identifier means something else there than in State Grid."""

FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.3",
        Family("0201{phase:01-03|FF}00", "XXX.X", "V", "voltage {phase}", "{phase}电压", VOLTAGE),
        Family("0202{phase:01-03|FF}00", "XXX.XXX", "A", "current {phase}", "{phase}电流", CURRENT, signed=True),
        Family("0203{total_phase:00-03|FF}00", "XX.XXXX", "kW", "active power {total_phase}", "瞬时{total_phase}有功功率", ACTIVE, signed=True),
        Family("0204{total_phase:00-03|FF}00", "XX.XXXX", "kvar", "reactive power {total_phase}", "瞬时{total_phase}无功功率", REACTIVE, signed=True),
        Family("0205{total_phase:00-03|FF}00", "XX.XXXX", "kVA", "apparent power {total_phase}", "瞬时{total_phase}视在功率", APPARENT, signed=True),
        Family("0206{total_phase:00-03|FF}00", "X.XXX", "", "power factor {total_phase}", "{total_phase}功率因数", FACTOR, signed=True),
        Family("0207{phase:01-03|FF}00", "XXX.X", "deg", "phase angle {phase}", "{phase}相角"),
        Family("0208{phase:01-03|FF}00", "XX.XX", "%", "voltage waveform distortion {phase}", "{phase}电压波形失真度"),
        Family("0209{phase:01-03|FF}00", "XX.XX", "%", "current waveform distortion {phase}", "{phase}电流波形失真度"),
        Family("020A{phase:01-03}{harmonic:01-15|FF}", "XX.XX", "%", "voltage harmonic {harmonic} content {phase}", "{phase}电压{harmonic}次谐波含量"),
        Family("020B{phase:01-03}{harmonic:01-15|FF}", "XX.XX", "%", "current harmonic {harmonic} content {phase}", "{phase}电流{harmonic}次谐波含量"),
        Family("02800001", "XXX.XXX", "A", "neutral current", "零线电流", "1-0:91.7.0", signed=True),
        Family("02800002", "XX.XX", "Hz", "grid frequency", "电网频率", "1-0:14.7.0"),
        Family("02800003", "XX.XXXX", "kW", "one-minute average active power", "一分钟有功总平均功率"),
        Family("02800004", "XX.XXXX", "kW", "present active demand", "当前有功需量", "1-0:1.4.0", signed=True),
        Family("02800005", "XX.XXXX", "kvar", "present reactive demand", "当前无功需量", "1-0:3.4.0", signed=True),
        Family("02800006", "XX.XXXX", "kVA", "present apparent demand", "当前视在需量", "1-0:9.4.0", signed=True),
        Family("02800007", "XXX.X", "degC", "temperature inside the meter", "表内温度", "0-0:96.9.0", signed=True),
        Family("02800008", "XX.XX", "V", "clock battery voltage (internal)", "时钟电池电压(内部)", "0-0:96.6.3"),
        Family("02800009", "XX.XX", "V", "power-off reading battery voltage (external)", "停电抄表电池电压(外部)"),
        Family("0280000A", "XXXXXXXX", "min", "internal battery working time", "内部电池工作时间", "0-0:96.6.0"),
   ),
    *rows(
        "State Grid filing to DL/T 645-2007, table A.3",
        Family("0280000B", "XXXX.XXXX", "yuan/kWh", "present tier price", "当前阶梯电价"),
        Family("02800020", "XXXX.XXXX", "yuan/kWh", "present price", "当前电价"),
        Family("02800021", "XXXX.XXXX", "yuan/kWh", "present tariff price", "当前费率电价"),
        Family("02800022", "XXXX", "min", "remaining validity of identity authentication", "身份认证时效剩余时间"),
        Family("02800023", "XX", "min", "remaining validity of infrared authentication", "红外认证时效剩余时间"),
        Family("02800024", "XXXXXX", "min", "voltage-qualified time this month", "本月总电压合格时间"),
        single_source=True,
   ),
    *SOUTHERN_GRID,
)
