"""Conversations are run by one helper, whoever carries the requests."""

import asyncio

import pytest

from kwhub.domain.errors import LinkDown
from kwhub.domain.machine import converse


def adds(closed):
    """Asks for two numbers."""
    try:
        return (yield "first") + (yield "second")
    finally:
        closed.append(True)


def test_each_request_gets_its_answer():
    answers = {"first": 1, "second": 2}

    async def ask(request):
        return answers[request]

    closed: list[bool] = []
    assert asyncio.run(converse(adds(closed), ask)) == 3
    assert closed == [True]


def test_a_conversation_is_closed_when_its_carrier_breaks():
    async def ask(_request):
        raise LinkDown("cut")

    closed: list[bool] = []
    with pytest.raises(LinkDown):
        asyncio.run(converse(adds(closed), ask))
    assert closed == [True]
