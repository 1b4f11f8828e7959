"""Energy of each phase, and of parts of the wave and of the transformer.

Source: DL/T 645-2007, annex A, table A.1.
"""

from kwhub.protocols.dlt645.families import Family, rows

__all__ = ["FAMILIES"]

ENERGY = "XXXXXX.XX"

# fmt: off
FAMILIES = (
    *rows(
        "DL/T 645-2007, table A.1",
        Family("00{phase:15|29|3D}00{settlement}", ENERGY, "kWh", "forward active energy, phase {phase}{settlement}", "({settlement}){phase}正向有功电能", ("1-0:21.8.0", "1-0:41.8.0", "1-0:61.8.0")),
        Family("00{phase:16|2A|3E}00{settlement}", ENERGY, "kWh", "reverse active energy, phase {phase}{settlement}", "({settlement}){phase}反向有功电能", ("1-0:22.8.0", "1-0:42.8.0", "1-0:62.8.0")),
        Family("00{phase:17|2B|3F}00{settlement}", ENERGY, "kvarh", "combined reactive 1 energy, phase {phase}{settlement}", "({settlement}){phase}组合无功1电能", ("1-0:23.8.0", "1-0:43.8.0", "1-0:63.8.0"), signed=True),
        Family("00{phase:18|2C|40}00{settlement}", ENERGY, "kvarh", "combined reactive 2 energy, phase {phase}{settlement}", "({settlement}){phase}组合无功2电能", ("1-0:24.8.0", "1-0:44.8.0", "1-0:64.8.0"), signed=True),
        Family("00{phase:19|2D|41}00{settlement}", ENERGY, "kvarh", "quadrant 1 reactive energy, phase {phase}{settlement}", "({settlement}){phase}第一象限无功电能", ("1-0:25.8.0", "1-0:45.8.0", "1-0:65.8.0")),
        Family("00{phase:1A|2E|42}00{settlement}", ENERGY, "kvarh", "quadrant 2 reactive energy, phase {phase}{settlement}", "({settlement}){phase}第二象限无功电能", ("1-0:26.8.0", "1-0:46.8.0", "1-0:66.8.0")),
        Family("00{phase:1B|2F|43}00{settlement}", ENERGY, "kvarh", "quadrant 3 reactive energy, phase {phase}{settlement}", "({settlement}){phase}第三象限无功电能", ("1-0:27.8.0", "1-0:47.8.0", "1-0:67.8.0")),
        Family("00{phase:1C|30|44}00{settlement}", ENERGY, "kvarh", "quadrant 4 reactive energy, phase {phase}{settlement}", "({settlement}){phase}第四象限无功电能", ("1-0:28.8.0", "1-0:48.8.0", "1-0:68.8.0")),
        Family("00{phase:1D|31|45}00{settlement}", ENERGY, "kVAh", "forward apparent energy, phase {phase}{settlement}", "({settlement}){phase}正向视在电能", ("1-0:29.8.0", "1-0:49.8.0", "1-0:69.8.0")),
        Family("00{phase:1E|32|46}00{settlement}", ENERGY, "kVAh", "reverse apparent energy, phase {phase}{settlement}", "({settlement}){phase}反向视在电能", ("1-0:30.8.0", "1-0:50.8.0", "1-0:70.8.0")),
        Family("00{total_phase:80|94|A8|BC}00{settlement}", ENERGY, "kWh", "associated energy, {total_phase}{settlement}", "({settlement}){total_phase}关联电能"),
        Family("00{total_phase:81|95|A9|BD}00{settlement}", ENERGY, "kWh", "forward active fundamental energy, {total_phase}{settlement}", "({settlement}){total_phase}正向有功基波电能"),
        Family("00{total_phase:82|96|AA|BE}00{settlement}", ENERGY, "kWh", "reverse active fundamental energy, {total_phase}{settlement}", "({settlement}){total_phase}反向有功基波电能"),
        Family("00{total_phase:83|97|AB|BF}00{settlement}", ENERGY, "kWh", "forward active harmonic energy, {total_phase}{settlement}", "({settlement}){total_phase}正向有功谐波电能"),
        Family("00{total_phase:84|98|AC|C0}00{settlement}", ENERGY, "kWh", "reverse active harmonic energy, {total_phase}{settlement}", "({settlement}){total_phase}反向有功谐波电能"),
        Family("00{total_phase:85|99|AD|C1}00{settlement}", ENERGY, "kWh", "copper-loss active compensation energy, {total_phase}{settlement}", "({settlement}){total_phase}铜损有功补偿电能"),
        Family("00{total_phase:86|9A|AE|C2}00{settlement}", ENERGY, "kWh", "iron-loss active compensation energy, {total_phase}{settlement}", "({settlement}){total_phase}铁损有功补偿电能"),
   ),
)
