"""Two commands that write the same files at once: in the end they are those of one, and whole."""

import hashlib
import json
import random

import pytest

from tests.reliability.bench import FULL, Step, checkpoint_is_whole, final_files, lasting

pytestmark = pytest.mark.reliability

NAMES = ("train", "predict_video", "predict_folder", "crop_images", "score", "plot_ood")
if FULL:
    NAMES += ("predict", "create_bbox", "crop_video", "remap", "convert", "ensemble", "crop_qa")
ATTEMPTS = 6 if FULL else 1


@pytest.fixture(scope="session")
def in_turn(zygote, tmp_path_factory):
    """Return what steps leave that run one after the other."""
    known = {}

    def of(*steps: Step):
        key = tuple(step.arguments for step in steps)
        if key not in known:
            out = steps[0].prepare(tmp_path_factory.mktemp(steps[0].name) / "out")
            for step in steps:
                answer = zygote.run(step, out)
                assert answer["code"] == 0, answer["messages"]
            known[key] = lasting(final_files(out))
        return known[key]

    return of


def assert_told(out, winner: Step, loser: Step) -> None:
    """Provenance has the checksum of each file, and names the command that made it."""
    told = 0
    for path in out.rglob("provenance.json"):
        content = json.loads(path.read_text())
        for name, known in content["files"].items():
            assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == known["sha256"], name
            command = content["runs"][known["run"]]["command"][1:]
            assert command != loser.into(out), name
            told += command == winner.into(out)
    assert told


@pytest.mark.parametrize("attempt", range(ATTEMPTS))
@pytest.mark.parametrize("name", NAMES)
def test_the_end_is_that_of_one(name, attempt, steps, zygote, undisturbed, in_turn, tmp_path, tally) -> None:
    """The first stands just before a change to a file, while the second goes as far as it can."""
    whole, _, changes = undisturbed(name)
    first = steps[name]
    second = first.other()
    assert in_turn(second) != lasting(whole)
    change = random.Random(f"{name} {attempt} two").randint(1, changes)
    out = first.prepare(tmp_path / "out")
    answer = zygote.run_two([first, second], out, change)
    assert answer["codes"] == [0, 0], answer["messages"]
    assert "Traceback" not in "".join(answer["messages"])
    found = lasting(final_files(out))
    ends = ((second,), (first,), (first, second), (second, first))
    end = next((end for end in ends if found == in_turn(*end)), None)
    assert end is not None, sorted(name for name in found if found[name] != in_turn(second).get(name))
    assert_told(out, *((first, second) if end[-1] is first else (second, first)))
    assert checkpoint_is_whole(out)
    assert not [path for path in out.rglob(".*") if path.is_file()]
    tally["pairs at once"] += 1
    tally["pairs of which one waited"] += answer["waited"]


def test_a_training_given_twice_is_done_once(steps, zygote, undisturbed, tmp_path) -> None:
    """As when snakemake was killed and goes on, while the training that it began does so, too."""
    whole, _, changes = undisturbed("train")
    out = tmp_path / "out"
    out.mkdir()
    answer = zygote.run_two([steps["train"]] * 2, out, changes // 2)
    assert answer["codes"] == [0, 0] and answer["waited"], answer["messages"]
    assert "is trained already" in answer["messages"][1]
    assert lasting(final_files(out)) == lasting(whole)
