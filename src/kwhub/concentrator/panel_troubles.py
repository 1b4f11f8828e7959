"""What the screen tells of trouble: what is missing and why, and which meters are abnormal."""

from kwhub.concentrator.devices import abnormal_words
from kwhub.concentrator.events_notes import Notes
from kwhub.concentrator.outbox import MeterState
from kwhub.concentrator.panel_store import PanelStore
from kwhub.concentrator.panel_views import AbnormalView, FailureView

__all__ = ["abnormal_meters", "failures", "is_silent"]

_FAILURES = (
    "SELECT point, state, cause, max(reason), count(*), min(at), max(at), min(next_try) FROM gap"
    " GROUP BY point, state, cause ORDER BY state, point, min(at)"
)


def failures(look: PanelStore) -> list[FailureView]:
    """Silent meters, then what is missing by point and cause. Raises StoreError."""
    places = look.places()
    states = look.states()
    silent = [
        _silence(states[point])
        for point in sorted(places.keys() & states.keys())
        if is_silent(states[point])
    ]
    gaps = [
        FailureView(
            point,
            places[point].settings.address if point in places else "",
            state,
            cause,
            reason,
            count,
            first,
            last,
            next_try if state == "open" else None,
        )
        for point, state, cause, reason, count, first, last, next_try in look.rows(_FAILURES)
    ]
    return silent + sorted(gaps, key=lambda gap: gap.state != "open")


def abnormal_meters(look: PanelStore, notes: Notes) -> list[AbnormalView]:
    """What is wrong with the meters of the archive now, by point. Raises StoreError."""
    places = look.places()
    rows = []
    for each in notes.abnormal():
        if each.point in places:
            english, chinese, detail = abnormal_words(each.kind, each.detail)
            address = places[each.point].settings.address
            rows.append(
                AbnormalView(each.point, address, each.kind, each.since, detail, english, chinese)
            )
    return rows


def is_silent(state: MeterState | None) -> bool:
    """Whether a meter has left a whole round without a word."""
    return state is not None and state.silent_since is not None


def _silence(state: MeterState) -> FailureView:
    since = state.silent_since or 0
    return FailureView(
        state.point,
        state.address,
        "silent",
        "silent",
        "",
        state.attempts,
        since,
        since,
        state.next_try,
    )
