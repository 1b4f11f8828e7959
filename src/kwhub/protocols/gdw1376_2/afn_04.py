"""AFN 04: tests.

Source: Q/GDW 1376.2-2013, clause 5.5.
"""

from kwhub.protocols.gdw1376_2.common import CARRIED, NODES
from kwhub.protocols.gdw1376_2.layouts import Row, address, byte

__all__ = ["AFN", "ROWS"]

AFN = 0x04

_TEST_FRAME = (byte("rate", "测试通信速率"), address("target", "目标地址"), *CARRIED)

ROWS = (
    Row(1, "send test", "发送测试", (byte("time", "持续时间", "s"),), confirmed=True),
    Row(2, "slave ping", "从节点点名", NODES, confirmed=True),
    Row(3, "test frame", "本地通信模块报文通信测试", _TEST_FRAME, confirmed=True),
)
