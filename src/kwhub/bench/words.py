"""Names and sentences of the reports, in Chinese and English."""

from typing import Final, Literal, TypeAlias

from kwhub.bench.results import Limit, Measurement

__all__ = ["LABELS", "NAMES", "PLACES", "VERDICTS", "Language", "bounds", "number", "plus_minus"]

Language: TypeAlias = Literal["en", "zh"]

NAMES: Final[dict[str, tuple[str, str]]] = {
    "carrier": ("carrier frequency", "载波频率"),
    "duty": ("duty of the carrier", "载波占空比"),
    "jitter": ("jitter of a carrier period", "载波周期抖动"),
    "wavelength_peak": ("peak wavelength", "峰值波长"),
    "wavelength_centroid": ("centroid wavelength", "质心波长"),
    "wavelength_width": ("spectral width (half maximum)", "光谱半高宽"),
    "radiant_intensity": ("radiant intensity", "辐射强度"),
    "turn_round": ("turn-round time", "应答延时"),
    "byte_gap": ("longest gap between bytes", "字节间最长停顿"),
    "answer": ("errors in the answer", "应答错误数"),
    "zero_bytes": ("00H bytes in the answer", "应答中的 00H 字节数"),
    "distance": ("response distance", "通信距离"),
    "angle": ("response angle, either side", "通信角度（两侧较小者）"),
    "sunlight": ("answers up to a daylight of", "可应答的最大日光照度"),
    "lamp_100hz": ("answers beside a 100 Hz lamp", "100 Hz 灯光下的应答率"),
    "ballast_45khz": ("answers beside a 45 kHz ballast", "45 kHz 镇流器灯光下的应答率"),
    "second_transmitter": ("answers beside a second transmitter", "第二发射源干扰下的应答率"),
}

VERDICTS: Final[dict[str, tuple[str, str]]] = {
    "pass": ("pass", "合格"),
    "fail": ("fail", "不合格"),
    "warn": ("warning", "警告"),
    "info": ("no limit", "无限值"),
    "missing": ("not measurable", "无法测量"),
    "skipped": ("not tested", "未测试"),
}

LABELS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Infrared port: performance", "红外通信口性能检测报告"),
    "batch_title": ("Infrared ports: batch", "红外通信口批量检测报告"),
    "serial": ("serial number", "表号"),
    "pallet": ("pallet", "托盘"),
    "limits": ("limits", "限值"),
    "measured": ("measured", "检测时间"),
    "software": ("software", "软件版本"),
    "configuration": ("configuration", "配置摘要"),
    "seed": ("seed", "随机种子"),
    "simulated": (
        "Simulated instruments and devices: this report says nothing about real hardware.",
        "仪器与被测表均为仿真，本报告不代表任何实物。",
    ),
    "quantity": ("quantity", "项目"),
    "value": ("value", "测量值"),
    "uncertainty": ("± (k = 2)", "不确定度 (k = 2)"),
    "limit": ("limit", "限值"),
    "verdict": ("verdict", "结论"),
    "condition": ("conditions and remarks", "条件与说明"),
    "evidence": ("raw data", "原始数据"),
    "close": ("limit within the uncertainty", "限值落在不确定度内"),
    "instruments": ("Instruments", "检测仪器"),
    "role": ("place", "用途"),
    "identity": ("identity", "标识"),
    "sources": ("Sources of the limits", "限值来源"),
    "unverified": ("text not verified", "原文未核对"),
    "plots": ("Pictures", "图形"),
    "files": ("Raw data", "原始数据文件"),
    "overall_pass": ("PASSED", "合格"),
    "overall_fail": ("FAILED", "不合格"),
    "devices": ("devices", "数量"),
    "passed": ("passed", "合格"),
    "failed": ("failed", "不合格"),
    "rate": ("pass rate", "合格率"),
    "statistics": ("Statistics", "统计"),
    "mean": ("mean", "平均值"),
    "deviation": ("standard deviation", "标准差"),
    "least": ("least", "最小值"),
    "most": ("most", "最大值"),
    "failures": ("Failures by quantity", "不合格项目分布"),
    "pallets": ("Pallets", "各托盘"),
    "meters": ("Devices", "各表结果"),
    "failing": ("failing quantities", "不合格项目"),
    "spectrum": ("spectrum", "光谱"),
    "wavelength_axis": ("wavelength, nm", "波长 / nm"),
    "power_axis": ("power, share of the peak", "相对功率"),
    "periods": ("periods of the carrier", "载波周期分布"),
    "frequency_axis": ("frequency of single periods, kHz", "单个周期的频率 / kHz"),
    "count_axis": ("count", "个数"),
    "timing": ("request and answer", "请求与应答"),
    "time_axis": ("time, ms", "时间 / ms"),
    "request": ("request", "请求"),
    "answer_light": ("answer", "应答"),
    "reach": ("answers by distance", "各距离的应答"),
    "distance_axis": ("distance, m", "距离 / m"),
    "share_axis": ("answered, %", "应答率 / %"),
    "angles": ("answers by angle", "各角度的应答"),
    "angle_axis": ("angle, degrees", "角度 / °"),
    "immunity": ("answers while disturbed", "干扰下的应答"),
    "daylight": ("daylight", "日光"),
    "lamp": ("100 Hz lamp", "100 Hz 灯"),
    "ballast": ("45 kHz ballast", "45 kHz 镇流器"),
    "second": ("second transmitter", "第二发射源"),
}

PLACES: Final[dict[str, tuple[str, str]]] = {
    "stage": ("stage, two axes", "二轴位移台"),
    "lamp": ("lamps", "光照模拟装置"),
    "spectrometer": ("spectrometer", "光谱仪"),
    "power_meter": ("optical power meter", "光功率计"),
    "analyser": ("logic analyser", "逻辑分析仪"),
    "head": ("reading head, supply", "抄读头与供电"),
    "disturber": ("second transmitter", "第二发射源"),
    "loader": ("loader", "上下料装置"),
}

STEPS: Final = (
    (10_000.0, "{:.0f}"),
    (1_000.0, "{:.1f}"),
    (100.0, "{:.1f}"),
    (10.0, "{:.2f}"),
    (0.0, "{:.3f}"),
)


def number(value: float | None) -> str:
    """A number with the digits that it deserves; a dash for none.

    >>> number(37999.7), number(0.0493), number(3.0), number(None)
    ('38000', '0.049', '3', '–')
    """
    if value is None:
        return "–"
    if value == round(value) and abs(value) < 1e7:
        return str(int(value))
    return next(form for least, form in STEPS if abs(value) >= least).format(value)


def plus_minus(measurement: Measurement) -> str:
    """The uncertainty of a measurement; empty when there is none to tell."""
    if measurement.uncertainty is None or measurement.value is None:
        return ""
    return (
        f"{measurement.uncertainty:.2g}"
        if measurement.uncertainty < 100
        else number(round(measurement.uncertainty))
    )


def bounds(limit: Limit | None) -> str:
    """A limit as text.

    >>> bounds(Limit(20.0, 500.0)), bounds(Limit(least=4.0)), bounds(None)
    ('20 … 500', '≥ 4', '–')
    """
    if limit is None:
        return "–"
    if limit.least is not None and limit.most is not None:
        return f"{number(limit.least)} … {number(limit.most)}"
    return f"≥ {number(limit.least)}" if limit.least is not None else f"≤ {number(limit.most)}"
