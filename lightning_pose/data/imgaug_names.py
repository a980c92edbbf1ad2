"""Augmentations as users of Lightning Pose list them, by the names of imgaug's classes.

``{Fliplr: {p: 0.5}, Affine: {p: 0.4, kwargs: {rotate: [-25, 25]}}}`` becomes ranges of
`lightning_pose.data.augmentation.Augmentation`. What such an entry becomes is the nearest that there is here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lightning_pose.types import Problem, UserError

logger = logging.getLogger(__name__)

Ranges = dict[str, float]
SHARE = 0.5  # of the images, where an entry has no `p`
NOISE_SHARE = 255.0  # imgaug's scale of additive noise is in grey levels; a share of them is meant below 1


def ranges_of(listed: Mapping[str, Any], where: str) -> Ranges:
    """Translate entries into ranges.

    Parameters
    ----------
    listed : name of the class -> ``{p: probability, args: [...], kwargs: {...}}``, the last two by choice.
    where : the setting's key, for messages.

    Raises
    ------
    UserError
        For every name that has no counterpart here, and every entry of another form.
    """
    found: Ranges = {}
    problems = []
    for name, entry in listed.items():
        if name in WITHOUT_COUNTERPART:
            logger.warning("%s.%s: there is nothing like it here; the others are applied", where, name)
            continue
        if name not in TRANSLATIONS:
            expected = f"one of {', '.join(TRANSLATIONS)}"
            problems.append(Problem(f"{where}.{name}", expected, name))
            continue
        try:
            options = dict(entry or {})
            share = float(options.pop("p", SHARE))
            named = _by_name(name, options.pop("args", ())) | dict(options.pop("kwargs", {}))
            if options or not 0 <= share <= 1:
                raise ValueError
            ranges = TRANSLATIONS[name](share, named) if share else {}
        except (TypeError, ValueError, AttributeError, LookupError, ZeroDivisionError):
            expected = "{p: 0 to 1, args: [...], kwargs: {...}} with numbers as imgaug takes them"
            problems.append(Problem(f"{where}.{name}", expected, str(entry)))
            continue
        for key, value in ranges.items():
            found[key] = max(found.get(key, value), value)
    if problems:
        raise UserError(problems)
    return found


def _by_name(name: str, arguments: Iterable[Any]) -> dict[str, Any]:
    """Return the arguments of a class by the names of its parameters; None stands for a default."""
    found = zip(PARAMETERS.get(name, ()), arguments, strict=False)
    return {own: value for own, value in found if value is not None}


def _affine(share: float, named: dict[str, Any]) -> Ranges:
    _refuse_others(named, "rotate", "scale", "translate_percent")
    ranges = {"geometry": share}
    if "rotate" in named:
        ranges["rotation"] = _largest(named["rotate"])
    if "scale" in named:
        low, high = _ends(named["scale"])
        ranges["scale"] = max(high, 1 / low, 1.0)
    if "translate_percent" in named:
        ranges["shift"] = _largest(named["translate_percent"])
    return ranges


def _rotate(share: float, named: dict[str, Any]) -> Ranges:
    return _affine(share, {"rotate": (-30, 30)} | named)


def _quarter_turns(share: float, named: dict[str, Any]) -> Ranges:
    _refuse_others(named, "k", "keep_size")
    turns = set(_numbers(named.get("k", 1)))
    if turns <= {0.0, 2.0}:
        return {"half_turn": share * (1 if turns == {2.0} else 0.5) if 2.0 in turns else 0.0}
    return {"geometry": share, "rotation": 180.0}


def _crop_and_pad(share: float, named: dict[str, Any]) -> Ranges:
    part = _largest(named["percent"])
    return {"geometry": share, "scale": 1 / (1 - 2 * part), "shift": part}


def _noise(share: float, named: dict[str, Any]) -> Ranges:
    scale = _largest(named.get("scale", 15))
    return {"noise": scale * NOISE_SHARE if scale < 1 else scale}


def _factor(key: str, parameter: str, *default: float) -> Callable[[float, dict[str, Any]], Ranges]:
    def translate(share: float, named: dict[str, Any]) -> Ranges:
        low, high = _ends(named.get(parameter, default))
        return {key: max(abs(1 - low), abs(high - 1))}

    return translate


def _chance(key: str) -> Callable[[float, dict[str, Any]], Ranges]:
    return lambda share, named: {key: share}


def _flip(key: str) -> Callable[[float, dict[str, Any]], Ranges]:
    return lambda share, named: {key: share * float(named.get("p", 1))}


TRANSLATIONS: dict[str, Callable[[float, dict[str, Any]], Ranges]] = {
    "Fliplr": _flip("flip_horizontal"), "Flipud": _flip("flip_vertical"),
    "Affine": _affine, "Rotate": _rotate, "Rot90": _quarter_turns, "CropAndPad": _crop_and_pad,
    "MotionBlur": _chance("blur"), "GaussianBlur": _chance("blur"), "AverageBlur": _chance("blur"),
    "CoarseDropout": _chance("cutout"), "CoarseSalt": _chance("cutout"), "CoarsePepper": _chance("cutout"),
    "Cutout": _chance("cutout"), "AdditiveGaussianNoise": _noise,
    "Multiply": _factor("brightness", "mul", 0.8, 1.2),
    "MultiplyBrightness": _factor("brightness", "mul", 0.7, 1.3),
    "LinearContrast": _factor("contrast", "alpha", 0.6, 1.4),
    "GammaContrast": _factor("contrast", "gamma", 0.7, 1.7),
}  # fmt: skip
PARAMETERS = {  # of imgaug's classes, in the order of `args`
    "Fliplr": ("p",), "Flipud": ("p",), "Rotate": ("rotate",), "Rot90": ("k", "keep_size"),
    "Affine": ("scale", "translate_percent", "translate_px", "rotate", "shear"),
    "CropAndPad": ("px", "percent"), "AdditiveGaussianNoise": ("loc", "scale"),
    "Multiply": ("mul",), "MultiplyBrightness": ("mul",),
    "LinearContrast": ("alpha",), "GammaContrast": ("gamma",),
}  # fmt: skip


WITHOUT_COUNTERPART = (
    "AllChannelsCLAHE", "AllChannelsHistogramEqualization", "CLAHE", "ElasticTransformation", "Emboss",
    "HistogramEqualization",
)  # fmt: skip
LOOKS = ("order", "cval", "mode", "fit_output", "backend", "seed", "name")  # of what lies beyond the border


def _refuse_others(named: Mapping[str, Any], *known: str) -> None:
    for key in named:
        if key not in (*known, *LOOKS):
            raise ValueError(key)


def _numbers(value: Any) -> Iterator[float]:
    for own in value if isinstance(value, list | tuple) else [value]:
        yield from _numbers(own) if isinstance(own, list | tuple) else [float(own)]


def _ends(value: Any) -> tuple[float, float]:
    """Return the lower and upper end of a number, a pair, or pairs for x and y."""
    if isinstance(value, Mapping):
        ends = [_ends(own) for own in value.values()]
        return min(low for low, _ in ends), max(high for _, high in ends)
    numbers = [float(own) for own in (value if isinstance(value, list | tuple) else [value])]
    return min(numbers), max(numbers)


def _largest(value: Any) -> float:
    low, high = _ends(value)
    return max(abs(low), abs(high))
