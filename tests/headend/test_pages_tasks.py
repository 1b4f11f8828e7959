"""Every button of the tasks' pages over HTTP, on a real desk of tasks: what it does, and who may press it."""

import asyncio
import datetime as dt
import re
from typing import Any

import pytest
from tests.headend.test_web_pages import words
from tests.headend.web_world import NOW, StandingClock, client
from tests.headend.whole import empty_store
from tests.headend.world import ADDRESSES, config

from kwhub.headend.app import HeadEnd
from kwhub.headend.people.rights import Role
from kwhub.headend.store.task_rows import TaskState
from kwhub.headend.store.views import OrderState


class PushedClock(StandingClock):
    """Stands still until it is pushed; whoever waits on it waits no longer than one turn of the loop."""

    moment = NOW

    def now(self) -> dt.datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def headend(tmp_path_factory):
    path = tmp_path_factory.mktemp("tasks") / "headend.sqlite"
    path.write_bytes(empty_store())
    made = HeadEnd(config(path, power_safe=False), PushedClock())
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def engineer(headend):
    with client(headend, role=Role.ENGINEER, **{"Accept-Language": "en"}) as made:
        yield made


@pytest.fixture(scope="module")
def admin(headend):
    with client(headend, role=Role.ADMIN, **{"Accept-Language": "en"}) as made:
        yield made


def pressed(reader: Any, page: str, action: str, **form: str) -> str:
    """Press a button that stands on a page, and return where it leads."""
    assert f'action="{action}"' in reader.get(page).text, f"no button {action} on {page}"
    answer = reader.post(action, data=form, follow_redirects=False)
    assert answer.status_code == 303, words(answer.text)
    place: str = answer.headers["location"]
    return place


def buttons(reader: Any, task: str) -> set[str]:
    """The steps that a task's page offers."""
    return set(re.findall(rf'action="{task}/(\w+)"', reader.get(task).text))


def number_of(place: str) -> int:
    return int(place.rpartition("/")[2])


def a_task(reader: Any, **more: str) -> str:
    form = {"kind": "read_now", "name": "Spring", "addresses": " ".join(ADDRESSES[1:]), **more}
    return pressed(reader, "/tasks", "/tasks", **form)


def test_a_task_is_made_paused_resumed_and_cancelled(headend, engineer):
    task = a_task(engineer)
    number = number_of(task)
    assert headend.tasks.get(number).total == 2
    assert "Spring" in words(engineer.get("/tasks").text)
    assert buttons(engineer, task) == {"pause", "cancel"}
    assert pressed(engineer, task, f"{task}/pause") == task
    assert headend.tasks.get(number).state == TaskState.PAUSED
    assert buttons(engineer, task) == {"resume", "cancel"}
    pressed(engineer, task, f"{task}/resume")
    assert headend.tasks.get(number).state == TaskState.RUNNING
    pressed(engineer, task, f"{task}/cancel")
    known = headend.tasks.get(number)
    assert known.state == TaskState.CANCELLED
    assert known.counts == {OrderState.CANCELLED: 2}
    assert buttons(engineer, task) == set()


def test_what_failed_is_asked_again_as_a_new_task(headend, engineer):
    task = a_task(engineer, area="1", addresses="")
    assert headend.tasks.get(number_of(task)).total == 3
    headend.clock.moment = NOW + dt.timedelta(days=2)  # nobody called until the deadline was over

    async def sweep() -> None:
        running = asyncio.create_task(headend.orders.run())
        async with asyncio.timeout(10):
            while headend.tasks.get(number_of(task)).state == TaskState.RUNNING:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(sweep())
    headend.clock.moment = NOW
    page = words(engineer.get(task).text)
    assert "expired" in page
    assert buttons(engineer, task) == {"retry"}
    again = pressed(engineer, task, f"{task}/retry")
    assert number_of(again) > number_of(task)
    repeated = headend.tasks.get(number_of(again))
    assert (repeated.retry_of, repeated.total, repeated.state) == (
        number_of(task),
        3,
        TaskState.RUNNING,
    )
    failed = words(engineer.get(f"{task}?failed=1").text)
    assert all(address in failed for address in ADDRESSES)
    lines = engineer.get(f"{task}/results.csv?failed=1").text.splitlines()
    assert len(lines) == 4
    assert "expired" in lines[1]


def test_a_command_waits_for_a_second_person_and_is_approved_or_taken_back(
    headend, engineer, admin
):
    numbers = [
        number_of(pressed(engineer, "/meters/2", "/meters/2/commands", command=command))
        for command in ("trip", "close")
    ]
    for number in numbers:
        assert headend.orders.get(number).state is OrderState.UNAPPROVED
    waiting = engineer.get("/tasks").text
    assert f'action="/orders/{numbers[0]}/approve"' not in waiting  # nobody agrees with himself
    refused = engineer.post(f"/orders/{numbers[0]}/approve", follow_redirects=False)
    assert refused.status_code in {400, 403}
    assert headend.orders.get(numbers[0]).state is OrderState.UNAPPROVED
    pressed(admin, "/tasks", f"/orders/{numbers[0]}/approve")
    assert headend.orders.get(numbers[0]).state is OrderState.NEW
    pressed(admin, "/tasks", f"/orders/{numbers[1]}/cancel")
    assert headend.orders.get(numbers[1]).state is OrderState.CANCELLED
    assert f"/orders/{numbers[0]}/approve" not in admin.get("/tasks").text


def test_a_terminal_takes_every_order_that_its_page_offers(headend, engineer):
    page = engineer.get("/terminals/1").text
    offered = re.findall(r'name="command" value="(\w+)"', page)
    assert set(offered) == {"terminal_clock", "compare_archive", "push_archive", "push_plan"}
    for each in offered:
        place = pressed(engineer, "/terminals/1", "/terminals/1/commands", command=each)
        order = headend.orders.get(number_of(place))
        assert (order.kind, order.by) == (each, "engineer")


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/tasks", {"kind": "burn"}, 400),
        ("/tasks", {"kind": "read_now"}, 400),
        ("/tasks", {"kind": "read_now", "addresses": "000000099999"}, 400),
        ("/tasks", {"kind": "read_now", "area": "7"}, 400),
        ("/tasks/1/burn", {}, 404),
        ("/tasks/99/pause", {}, 404),
        ("/tasks/1/resume", {}, 400),
        ("/meters/2/commands", {"command": "burn"}, 400),
        ("/meters/77/commands", {"command": "trip"}, 404),
        ("/terminals/1/commands", {"command": "burn"}, 400),
        ("/terminals/77/commands", {"command": "push_plan"}, 400),
        ("/orders/9999/cancel", {}, 404),
    ],
)
def test_what_cannot_be_done_is_told_on_a_page(engineer, path, form, status):
    answer = engineer.post(path, data=form)
    assert answer.status_code == status
    assert "<h1" in answer.text


def test_who_may_not_order_sees_no_buttons(headend, engineer):
    task = a_task(engineer)
    with client(headend, role=Role.VIEWER, **{"Accept-Language": "en"}) as viewer:
        for page in ("/tasks", task, "/terminals/1"):
            inside = viewer.get(page).text.partition("<main")[2].partition("</main>")[0]
            assert 'method="post"' not in inside, page
        for path in (f"{task}/cancel", "/tasks", "/terminals/1/commands", "/orders/1/cancel"):
            assert viewer.post(path, data={"kind": "read_now"}).status_code == 403
    assert headend.tasks.get(number_of(task)).state == TaskState.RUNNING
