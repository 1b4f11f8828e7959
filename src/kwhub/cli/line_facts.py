"""How a line and a meter on it behave: answer times, the wait that follows them, repeats, noise."""

from typing import Any

from kwhub.cli.output import Language
from kwhub.domain.answer_times import AnswerTimes
from kwhub.links.drive import Driver

__all__ = ["line_facts", "line_text"]

WORDS = {
    "en": "answers in {answer} ms, waits {wait} ms; requests {requests}, repeated {retries}, discarded {discarded}",
    "zh": "应答 {answer} ms，等待 {wait} ms；请求 {requests}，重发 {retries}，丢弃 {discarded}",
}


def line_facts(driver: Driver, times: AnswerTimes, address: str) -> dict[str, Any]:
    """The facts for programs.

    Returns:
        requests, retries and discarded events of the line; answers, mean answer time, its deviation
        and the present time-out of the meter, in seconds.
    """
    known = times.of(address)
    return {
        "requests": driver.requests,
        "retries": driver.retries,
        "discarded": driver.discarded,
        "answers": known.answers,
        "answer_time_s": None if known.smoothed_s is None else round(known.smoothed_s, 4),
        "answer_deviation_s": round(known.deviation_s, 4),
        "answer_timeout_s": round(times.timeout_s(address), 4),
    }


def line_text(driver: Driver, times: AnswerTimes, address: str, language: Language) -> str:
    """The facts in one line for people."""
    smoothed_s = times.of(address).smoothed_s
    return WORDS[language].format(
        answer="-" if smoothed_s is None else round(1000 * smoothed_s),
        wait=round(1000 * times.timeout_s(address)),
        requests=driver.requests,
        retries=driver.retries,
        discarded=driver.discarded,
    )
