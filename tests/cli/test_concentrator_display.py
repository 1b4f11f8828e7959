"""``kwhub concentrator display`` where there is no service, and where there is no terminal."""

from tests.concentrator.test_display_socket import SETTINGS

from kwhub.cli.app import run
from kwhub.cli.output import Exit


def written(folder):
    path = folder / "concentrator.toml"
    path.write_text(SETTINGS.replace("@", "000000000001"), "utf-8")
    return str(path)


def test_without_a_service_it_says_so_in_one_line(tmp_path, capsys):
    assert run(["concentrator", "display", written(tmp_path), "--json"]) == Exit.LINK
    assert "no concentrator answers" in capsys.readouterr().err


def test_without_a_terminal_it_says_what_helps(tmp_path, capsys):
    assert run(["concentrator", "display", written(tmp_path)]) == Exit.USAGE
    assert "--json" in capsys.readouterr().err
