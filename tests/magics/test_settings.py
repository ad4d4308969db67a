from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.error import UsageError

from nbkit.config import config_file
from nbkit.magics.settings import Nbkit, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.magics.conftest import Shell

    Write = Callable[[str], Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the settings of the project in which the test works."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path.resolve() / "pyproject.toml"

    def write(text: str) -> Path:
        path.write_text(f"[project]\nname = 'x'\n\n{text}", encoding="utf-8")
        return path

    return write


def user(text: str) -> Path:
    """Write the user's own settings."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def dry(shell: Shell, cell: str) -> str:
    """What a cell would send, as text."""
    line, _, body = cell.partition("\n")
    return str(shell.cell(f"%%generate --dry-run {line}\n{body}").outputs[0].data["text/plain"])


def test_each_place_goes_before_the_next(
    shell: Shell, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell counts before `%config`, that before the environment, the project, the user, and what is built in."""

    def sent_to() -> str:
        return dry(shell, "\na cat").split(" ", 1)[0]

    assert sent_to() == "local/collage"
    user("endpoint = 'from/user'")
    assert sent_to() == "from/user"
    project("[tool.nbkit]\nendpoint = 'from/project'")
    assert sent_to() == "from/project"
    monkeypatch.setenv("NBKIT_ENDPOINT", "from/environment")
    assert sent_to() == "from/environment"
    shell.cell("%config Nbkit.endpoint = 'from/config'")
    assert sent_to() == "from/config"
    assert dry(shell, "from/cell\na cat").startswith("from/cell ")


def test_default_input_fills_what_a_cell_leaves_out(shell: Shell, project: Write) -> None:
    """An endpoint's defaults are sent with every cell that calls it; each place replaces values one by one."""
    user('[defaults."acme/x"]\nstyle = "ink"\nsteps = 4\nsize = { width = 8, height = 8 }\n')
    project('[tool.nbkit.defaults."acme/x"]\nsteps = 8\nsize = "square"\n')
    shell.cell("%config Nbkit.defaults = {'acme/x': {'seed': 1}}")

    sent = dry(shell, "acme/x\na cat").splitlines()[1:]
    assert sent[0] == "prompt  a cat"
    assert set(sent[1:]) == {"style   ink", "steps   8", "size    square", "seed    1"}
    assert "seed    7" in dry(shell, "acme/x --seed 7\na cat")
    assert "steps" not in dry(shell, "acme/other\na cat")


def test_aliases_stand_for_endpoint_and_options(shell: Shell) -> None:
    """A short name brings its endpoint and input; the cell and its line count before it."""
    shell.cell('%nbkit alias hero acme/x -p num_images=4 -p size={"width": 8, "height": 9} --stream')
    user('[defaults."acme/x"]\nnum_images = 9\n')

    told = dry(shell, "hero\na cat")
    assert told.startswith("acme/x would be sent this by stream")
    assert "num_images  4" in told
    assert 'size        {"width": 8, "height": 9}' in told
    assert "num_images  2" in dry(shell, "hero -n 2\na cat")
    one_line = shell.cell("%generate --dry-run hero a cat").outputs[0].data["text/plain"]
    assert "prompt      a cat" in one_line
    with pytest.raises(UsageError, match="did you mean hero"):
        shell.cell("%%generate heor\na cat")


def test_aliases_are_listed_kept_and_removed(shell: Shell, project: Write) -> None:
    """An alias lives for a session unless it is kept; those of a project are listed with their file."""
    project("[tool.nbkit.alias]\nfast = 'acme/fast'\nhero = 'acme/theirs'")
    user("# mine\n[alias]\nhero = 'acme/mine'\nold = 'acme/old'\n")
    shell.cell("%nbkit alias poster acme/poster -n 2")

    listed = shell.cell("%nbkit alias").outputs[0].data["text/plain"]
    assert "fast    acme/fast         pyproject.toml, line 5" in listed
    assert "poster  acme/poster -n 2  this session" in listed

    shell.cell("%nbkit alias keep poster")
    kept = config_file().read_text("utf-8")
    assert kept.startswith("# mine")
    assert "acme/mine" in kept
    assert "acme/poster -n 2" in kept

    shell.cell("%nbkit alias remove poster old")
    kept = config_file().read_text("utf-8")
    assert "poster" not in kept
    assert "old" not in kept
    with pytest.raises(UsageError, match="still set elsewhere: fast"):
        shell.cell("%nbkit alias remove fast")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("alias hero", "an alias needs an endpoint"),
        ("alias a/b acme/x", "cannot be an alias"),
        ("alias hero acme/x --sed 4", "did you mean --seed?"),
        ("alias hero acme/x --as it", "are for one cell"),
        ("alias hero acme/x a cat", "'a' has no place in an alias"),
        ("alias keep nobody", "there is no alias 'nobody'"),
        ("alias remove", "say which alias"),
    ],
)
def test_a_slip_in_an_alias_is_one_line(line: str, said: str, shell: Shell) -> None:
    """What cannot be an alias is refused and says why."""
    with pytest.raises(UsageError) as caught:
        shell.cell(f"%nbkit {line}")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.nbkit]\nendpiont = 'a/b'", "line 5: there is no setting 'endpiont' → did you mean endpoint?"),
        ("[tool.nbkit]\nshow = 'image'", "line 5: show is images, table, all or none"),
        ("[tool.nbkit]\nendpoint = 5", "line 5: endpoint is not one: an endpoint is a string, not int"),
        ("[tool.nbkit]\nalias = 'a/b'", "line 5: alias is a table"),
        ("[tool.nbkit.alias]\nhero = 'acme/x --sed 4'", "line 5: alias hero: there is no option '--sed'"),
        ("[tool.nbkit.alias]\nhero = 4", "line 5: alias hero: an alias is text"),
        ("[tool.nbkit.defaults]\nsteps = 4", "line 5: defaults is a table"),
        ("[tool.nbkit.defaults.'acme']\nsteps = 4", "line 5: defaults: 'acme' is not an endpoint"),
        ("[tool.nbkit\n", "cannot be read: Expected ']'"),
    ],
)
def test_a_wrong_setting_is_told_once_and_left_out(
    text: str, said: str, shell: Shell, project: Write
) -> None:
    """A line names the file, its line and what was meant, once; cells go on without it."""
    path = project(text)
    first = shell.cell("%%generate --dry-run\na cat")
    second = shell.cell("%%generate --dry-run\na cat")

    assert first.stderr.startswith(f"nbkit: {path}")
    assert said.replace("table, all or none", "table, all, none") in first.stderr
    assert first.stderr.count("\n") == 1
    assert second.stderr == ""
    assert first.outputs[0].data["text/plain"].startswith("local/collage would be sent")
    assert said.partition(":")[0] in shell.cell("%nbkit config").outputs[0].data["text/plain"]


def test_config_refuses_a_wrong_value(shell: Shell) -> None:
    """`%config` refuses what cannot be, and lists what there is."""
    shell.cell("%config Nbkit.show = 'table'")
    shell.cell("%config Nbkit.show = 'everything'")
    told = shell.cell("%nbkit config").outputs[0].data["text/plain"]
    assert "show %config table" in [" ".join(line.split()) for line in told.splitlines()]
    assert "Nbkit.show" in shell.cell("%config Nbkit").stdout


def test_every_value_says_where_it_comes_from(shell: Shell, project: Write) -> None:
    """`%nbkit config` names the place of each value."""
    project("[tool.nbkit]\nshow = 'images'\n[tool.nbkit.alias]\nhero = 'acme/x'\n")
    shell.cell("%config Nbkit.endpoint = 'hero'")

    lines = shell.cell("%nbkit config").outputs[0].data["text/plain"].splitlines()
    told = {line.split("  ")[0]: " ".join(line.split()) for line in lines}
    assert told["default endpoint"] == "default endpoint %config hero"
    assert told["show"] == "show pyproject.toml, line 5 images"
    assert told["alias hero"].endswith(" acme/x")
    assert dry(shell, "\na cat").startswith("acme/x ")


def test_settings_that_a_card_uses_are_used(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown follows the setting, unless the cell says otherwise."""
    seen: list[Any] = []
    monkeypatch.setattr("nbkit.widgets.live.follow", lambda _run, *, show, **_: seen.append(show))
    monkeypatch.setattr(
        "nbkit.client.client.Client.submit", lambda _self, endpoint, given, *, wait: (endpoint, given, wait)
    )
    monkeypatch.setenv("NBKIT_SHOW", "none")
    shell.cell("%%generate\na cat")
    shell.cell("%%generate --show table\na cat")

    assert seen == ["none", "table"]


def test_nothing_set_is_nothing(project: Write) -> None:
    """Without any file there are no settings and no problems."""
    project("")
    found = read(Nbkit(), {})

    assert (found.values, found.aliases, found.defaults, found.problems) == ({}, {}, {}, [])
