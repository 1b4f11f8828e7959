"""Frames are cut, named and explained in the profile that the terminals speak."""

import io
import zipfile

import pytest
from msgspec.structs import replace
from tests.headend.test_web_pages import words
from tests.headend.web_world import NOW, StandingClock, client, settings

from kwhub.headend.app import HeadEnd
from kwhub.protocols.gdw1376.builders import initiated_frame
from kwhub.protocols.gdw1376.frames import TerminalAddress
from kwhub.protocols.gdw1376.messages import Login, Request
from kwhub.protocols.gdw1376.profiles import PROFILES
from kwhub.protocols.gdw1376.units import Unit

CASES: dict[str, tuple[Login | Request, TerminalAddress, str]] = {
    "jilin": (Login(), TerminalAddress("4101", 2082, width=4), "F1 login"),
    "2009": (
        Request(0x10, (Unit((1,), (10,), b"\x01"),)),
        TerminalAddress("4101", 2082),
        "F10 trip or allow close",
    ),
}


@pytest.mark.parametrize("profile", CASES)
def test_frames_speak_the_profile_of_the_terminals(tmp_path, profile):
    request, own, said = CASES[profile]
    config = settings(tmp_path / "headend.sqlite")
    made = HeadEnd(
        replace(config, headend=replace(config.headend, profile=profile)), StandingClock()
    )
    frame = initiated_frame(request, own, 0, PROFILES[profile])
    sent = not isinstance(request, Login)
    made.lookout.frames.note(1, NOW, frame.to_bytes(), sent=sent)
    with client(made, **{"Accept-Language": "en"}) as browser:
        page = browser.get("/terminals/1").text
        assert said in words(page)
        assert "no frame" not in words(page)
        number = page.split('id="frame-')[1].split('"')[0]
        inside = browser.get(f"/terminals/1/frames/{number}").text
        assert said in words(inside)
        assert "cannot be split" not in words(inside)
        bundle = zipfile.ZipFile(io.BytesIO(browser.get("/terminals/1/support.zip").content))
        assert said in bundle.read("frames.txt").decode()
    made.store.close()
