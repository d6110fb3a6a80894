"""`app.py check-config`: what it prints, and its exit code. No database is made for it."""

from pathlib import Path

from click.testing import CliRunner

from bot.cli import main

GOOD = "check: required\n"
BAD = "chekc: on\ncode:\n  include: src/\n"


def test_what_is_wrong_is_printed_with_its_place(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(GOOD)
    bad.write_text(BAD)
    run = CliRunner(env={"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": ""})
    found = run.invoke(main, ["check-config", str(good)])
    assert (found.exit_code, found.output) == (0, "")
    found = run.invoke(main, ["check-config", str(good), str(bad)])
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f'{bad}:1:1: There is no setting "chekc": did you mean "check"?',
        f'{bad}:3:12: "code.include" must be a list, such as ["src/"].',
    ]
    assert not (tmp_path / "data").exists()


def test_the_input_is_read_and_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(main, ["check-config", "-"], input=GOOD).exit_code == 0
    found = run.invoke(main, ["check-config", "-"], input="label: [a]")
    assert found.exit_code == 1 and found.stdout.startswith("-:1:8: ")
    found = run.invoke(main, ["check-config", str(tmp_path / "none.yml")])
    assert found.exit_code == 1 and "none.yml: No such file or directory" in found.output
    found = run.invoke(main, ["check-config", "-"], input="#" * 100_000)
    assert found.exit_code == 1 and "larger than 64 KB" in found.stdout
