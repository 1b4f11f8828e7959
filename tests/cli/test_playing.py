"""Progress of what is played: a line each tenth where nobody looks at a terminal."""

from kwhub.cli.playing import playing


def test_a_file_gets_a_line_each_tenth_and_no_more(capfd):
    with playing("en", 3, 316) as told:
        for share in (0.0, 0.05, 0.1, 0.14, 0.99, 1.0, 1.0):
            told(share)
    out, error = capfd.readouterr()
    assert out == ""
    assert error.splitlines() == [
        f"Playing 3 days of 316 meters: {percent} %" for percent in (0, 10, 90, 100)
    ]


def test_it_speaks_chinese(capfd):
    with playing("zh", 3, 316) as told:
        told(0.5)
    assert capfd.readouterr().err == "正在回放 316 块表的 3 天: 50 %\n"
