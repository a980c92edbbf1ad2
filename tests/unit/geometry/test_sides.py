"""Which keypoints change places in a mirror."""

import pytest

from lightning_pose.geometry.sides import mirror_order, without_partner


def test_mirror_swaps_left_and_right_names() -> None:
    names = ["nose", "leftear", "rightear", "eye_left", "eye_right", "foot_left"]
    assert mirror_order(names).tolist() == [0, 2, 1, 4, 3, 5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("eye_left", "eye_right"),
        ("LeftEar", "RightEar"),
        ("LEFT paw", "RIGHT paw"),
        ("paw_L", "paw_R"),
        ("l-wing", "r-wing"),
        ("rightwing", "leftwing"),
        ("earL", "earR"),
        ("LForepaw", "RForepaw"),
        ("paw1LH_top", "paw1RH_top"),
        ("FL_paw", "FR_paw"),
        ("RL", "RR"),
        ("lKnee", "rKnee"),
        ("upright_L", "upright_R"),
    ],
)
def test_sides_are_told_by_names(one: str, other: str) -> None:
    names = ["beak", one, other, "tail_base"]
    assert mirror_order(names).tolist() == [0, 2, 1, 3]
    assert without_partner(names) == []


@pytest.mark.parametrize("name", ["eye_left", "RightEar", "LEFT paw", "paw_L", "l-wing"])
def test_a_side_whose_other_side_is_missing_is_told(name: str) -> None:
    assert without_partner(["beak", name]) == [name]


def test_letters_inside_words_are_no_sides() -> None:
    assert mirror_order(["girl", "tail", "ear", "r2", "ROI", "tailL"]).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_mirror_never_gives_two_keypoints_one_place() -> None:
    assert mirror_order(["lEFT", "right", "LL", "LR", "RL", "RR"]).tolist() == [0, 1, 2, 3, 4, 5]
    assert mirror_order(["LR", "RR", "RL"]).tolist() == [0, 1, 2]
