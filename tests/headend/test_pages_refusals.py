"""What a page refuses is told in the reader's language: orders, approvals, tasks, handhelds. The API stays in English."""

import datetime as dt
import re
from contextlib import contextmanager

import pytest
from msgspec.structs import replace
from tests.headend.test_pages_tasks import PushedClock, number_of, pressed
from tests.headend.web_world import NOW, address, client, settings

from kwhub.headend.app import HeadEnd
from kwhub.headend.config import Devices, Ordering
from kwhub.headend.identity.records import Description
from kwhub.headend.people.rights import Role

DETAIL = re.compile(r'<p class="(?:detail|notice)"[^>]*>(.*?)</p>', re.DOTALL)
ENGLISH = re.compile(r"[a-z]{3,} [a-z]{2,}")
DEVICE = "device-000001"


@contextmanager
def begun(folder):
    """A head-end with handhelds, which may trip."""
    keys = folder / "roots"
    keys.write_text("11" * 16)
    keys.chmod(0o600)
    asked = replace(
        settings(folder / "h.sqlite"),
        devices=Devices(folder=str(folder / "ca"), root_key=str(keys)),
        orders=Ordering(trips_per_hour=9, trip_share_per_hour=1.0),
    )
    made = HeadEnd(asked, PushedClock())
    assert made.devices
    made.devices.registry.allocate(Description("T5", "0815", "ann", "TQ-31"), "admin")
    yield made
    made.devices.close()
    made.store.close()


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    with begun(tmp_path_factory.mktemp("refusals")) as made:
        yield made


@pytest.fixture(scope="module")
def engineer(headend):
    with client(headend, role=Role.ENGINEER, **{"Accept-Language": "en"}) as found:
        yield found


def refused(reader, path, **form):
    """What a page says instead of doing it."""
    answer = reader.post(path, data=form)
    assert answer.status_code == 400, answer.text
    (said,) = DETAIL.findall(answer.text)
    return said


def ordered(reader, command, meter=2):
    place = f"/meters/{meter}"
    return number_of(pressed(reader, place, f"{place}/commands", command=command))


def test_who_may_not_approve_and_what_waits_no_more(chinese, english):
    number = ordered(chinese, "close")
    path = f"/orders/{number}/approve"
    assert refused(chinese, path) == "须由下令人以外的人审批"
    page = chinese.post(path).text
    assert "<h1>未执行</h1>" in page
    assert f'<a class="button" href="/orders/{number}">返回</a>' in page
    page = english.post(path).text
    assert "a second person must approve: not the one who has ordered" in page
    assert "<h1>Not carried out</h1>" in page
    chinese.post(f"/orders/{number}/cancel")
    assert refused(chinese, path) == f"命令 {number} 不在等待审批（已撤销）"
    assert refused(chinese, f"/orders/{number}/cancel") == f"命令 {number} 不能撤销（已撤销）"


def test_whose_time_is_over(tmp_path):
    with begun(tmp_path) as headend:
        with client(headend, role=Role.ENGINEER) as engineer:
            late = ordered(engineer, "close")
        headend.clock.moment = NOW + dt.timedelta(days=2)
        with client(headend, **{"Accept-Language": "zh-CN"}) as chinese:
            said = refused(chinese, f"/orders/{late}/approve")
        assert said == f"命令 {late} 已过期：请重新下令"


def test_a_second_trip_of_a_meter_is_refused(chinese):
    ordered(chinese, "trip", 3)
    said = refused(chinese, "/meters/3/commands", command="trip")
    assert said == "不予跳闸：此表已有未完成的命令"


def test_tasks(chinese, engineer):
    assert refused(chinese, "/tasks", kind="read_now").startswith("没有对象")
    said = refused(chinese, "/tasks", kind="read_now", addresses="12")
    assert said == "12：表地址为十二位数字"
    said = refused(chinese, "/tasks", kind="read_now", addresses="000000099999")
    assert said == "000000099999：没有此地址的在用电表（共 1 个）"
    assert refused(chinese, "/tasks", kind="burn") == "请从列表中选择命令。"
    task = pressed(engineer, "/tasks", "/tasks", kind="read_now", addresses=address(2))
    said = refused(chinese, f"{task}/resume")
    assert said == f"任务 {number_of(task)} 的状态是“执行中”，不是“已暂停”"


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        (
            f"/devices/{DEVICE}/orders",
            {"meter": address(2), "operation": "relay-trip", "minutes": "0"},
            "命令的期限为 1 至 1440 分钟，而不是 0",
        ),
        (
            f"/devices/{DEVICE}/orders",
            {"meter": address(2), "operation": "parameter", "minutes": "9", "detail": "x"},
            "参数须填写标识和数值，均为十六进制",
        ),
        (
            f"/devices/{DEVICE}/orders",
            {"meter": "12", "operation": "terminal-clock", "minutes": "9", "detail": "x"},
            "“终端：校时”不填内容",
        ),
        ("/device-orders/99/approve", {}, "没有命令 99"),
        ("/device-orders/99/recall", {}, "没有命令 99"),
        (f"/devices/{DEVICE}/give", {"hours": "24"}, "请至少选择一块表"),
        (f"/devices/{DEVICE}/give", {"hours": "many"}, "此处不能填写 many"),
        (f"/devices/{DEVICE}/close", {"step": "burn"}, "没有“burn”；可用的有：lock, lose, retire"),
        ("/devices", {"area": "TQ-99"}, "TQ-99 不是您可管理手持终端的台区"),
        (
            "/meters/2/orders",
            {"register": "7-7:99"},
            "数据项：&#39;7-7:99&#39; 不是数据项；请填写 OBIS 代码，例如 1-0:1.8.0",
        ),
    ],
)
def test_other_refusals(chinese, path, form, said):
    found = refused(chinese, path, **form)
    assert found == said
    assert not ENGLISH.search(found)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/meters/777", "电表 777"),
        ("/devices/none", "没有手持终端 none"),
        ("/device-work/7", "没有工单 7"),
        ("/orders/999", "命令 999"),
        ("/tasks/999", "任务 999"),
    ],
)
def test_what_is_not_there_is_named_in_chinese(chinese, path, said):
    answer = chinese.get(path)
    assert answer.status_code == 404
    assert DETAIL.findall(answer.text) == [said]


def test_what_an_address_has_wrong_is_told_in_chinese(chinese):
    answer = chinese.get("/areas?day=2150-01-01")
    assert DETAIL.findall(answer.text) == ["日期须在 2000-01-01 与 2100-01-01 之间"]
    answer = chinese.get("/tasks?number=x")
    assert not ENGLISH.search("".join(DETAIL.findall(answer.text)))


def test_the_api_says_the_same_in_english_whatever_the_language(chinese):
    answer = chinese.post("/api/v1/orders/1/approval")
    assert answer.json()["detail"].isascii()
    assert answer.json()["status"] in {400, 404}
