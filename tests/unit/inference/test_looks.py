"""How often the detector looks: as told, or as the animal's speed allows."""

import numpy as np
import pytest

from lightning_pose.geometry.film_parts import FilmParts
from lightning_pose.inference.looks import AUTO, RAREST, Looks

PARTS = FilmParts(100, 40, 10)
SIZE = 8


def looked_at(looks, speed, lost=()):
    """Return the frames of a film that the detector looks at, for an animal of a speed in sides a frame."""
    found = []
    for batch in PARTS.batches(range(PARTS.count), SIZE):
        numbers = looks.choose(batch)
        looks.learn(
            [(own, None if own in lost else np.array([100 * speed * own, 50, 100])) for own in numbers]
        )
        found += numbers
    return found


@pytest.mark.parametrize("every", [1, 3, 16])
def test_every_kth_frame_since_the_segment_began_and_the_last(every) -> None:
    expected = [number for number in range(100) if (number - PARTS.segment_start(number)) % every == 0]
    assert looked_at(Looks(every, PARTS), 0.1) == sorted({*expected, 99})


@pytest.mark.parametrize(("speed", "spacing"), [(0.0, RAREST), (0.03, 4), (0.07, 2), (0.5, 1)])
def test_a_faster_animal_is_looked_at_more_often(speed, spacing) -> None:
    numbers = looked_at(Looks(AUTO, PARTS), speed)
    for start, stop in ((0, 30), (40, 70)):
        own = [number for number in numbers if start <= number < stop]
        assert own[:SIZE] == list(range(start, start + SIZE))
        assert set(np.diff(own[SIZE:])) <= {spacing}
    assert numbers[-1] == 99


def test_where_the_animal_is_lost_every_frame_is_looked_at() -> None:
    lost = range(8, 16)
    numbers = looked_at(Looks(AUTO, PARTS), 0.0, lost)
    assert set(range(16, 24)) <= set(numbers)


def test_what_is_chosen_depends_on_the_segment_alone() -> None:
    whole = looked_at(Looks(AUTO, PARTS), 0.03)
    looks, later = Looks(AUTO, PARTS), []
    for batch in PARTS.batches(range(40, 70), SIZE):
        numbers = looks.choose(batch)
        looks.learn([(own, np.array([3.0 * own, 50, 100])) for own in numbers])
        later += numbers
    assert later == [number for number in whole if 40 <= number < 70]
