"""The tool that kills recipes, on a script that counts in place of one."""

import json
import textwrap

import pytest

# Counts to 40 in a file, on from where it was; says how often it was started.
COUNTER = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[-1].removeprefix("--output_dir="))
seed = folder / "seed_0"
seed.mkdir(parents=True, exist_ok=True)
(folder / "launch.json").write_text("{}")
state = seed / "state.json"
found = json.loads(state.read_text()) if state.exists() else {"count": 0}
found["starts"] = found.get("starts", 0) + 1
while found["count"] < 40:
    time.sleep(0.02)
    found["count"] += 1
    aside = seed / ".state"
    aside.write_text(json.dumps(found))
    os.replace(aside, state)
found["seconds"] = time.time()
if "forgetful" not in sys.argv:
    del found["starts"]
(seed / "results.json").write_text(json.dumps(found))
state.unlink()
"""


@pytest.fixture
def counter(tmp_path):
    path = tmp_path / "counter.py"
    path.write_text(textwrap.dedent(COUNTER))
    return str(path)


def test_what_goes_on_is_the_same(run_tool, counter, tmp_path):
    path = tmp_path / "resume.json"
    printed = run_tool(
        "kill_and_resume", "--kills=2", f"--json={path}", "--", counter
    )
    assert "After 2 kills all is the same" in printed
    record = json.loads(path.read_text())
    assert record["different"] == []
    assert len(record["kills"]) == 2


def test_what_does_not_is_named(run_tool, counter):
    with pytest.raises(SystemExit, match=r"seed_0/results\.json"):
        run_tool("kill_and_resume", "--kills=2", "--", counter, "forgetful")


def test_a_recipe_that_fails_says_why(run_tool, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("raise RuntimeError('no data')")
    with pytest.raises(SystemExit, match="no data"):
        run_tool("kill_and_resume", "--", str(path))
