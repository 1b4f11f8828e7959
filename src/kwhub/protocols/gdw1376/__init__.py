"""Q/GDW 1376.1-2013: the uplink between head-end and concentrator, both roles.

Source: Q/GDW 1376.1-2013 (with Q/GDW 376.1-2009 where the field still speaks it); facts from four
independent implementations, marked ``single source`` where only one of them has it.

Frames are envelopes (`frames`), their body is a row of data units (`units`) whose layouts are rows of
tables, one module an AFN (`afn_00` to `afn_10`); `session` plays both ends; `explain` tells any bytes.
"""
