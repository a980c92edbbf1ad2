"""YAML files of a few lines whose aliases stand for more than the memory holds.

A safe loader runs nothing that a file names, but hands out an alias as often as it is written, and whoever
copies the result copies it as often.
"""

from __future__ import annotations

import yaml

from lightning_pose.types import Problem, UserError

LARGEST = 100_000  # values, each alias counted with all that it stands for


def refuse_bomb(text: str, where: str) -> None:
    """Raise a `UserError` if aliases hold themselves or come to more than `LARGEST` values.

    Parameters
    ----------
    text : the YAML.
    where : the file, for the message.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    count = 0 if root is None else _size(root, where, {}, set())
    if count > LARGEST:
        raise UserError(Problem(where, f"a YAML file of at most {LARGEST} values", str(count)))


def _size(node: yaml.Node, where: str, known: dict[int, int], above: set[int]) -> int:
    """Return how many values a node comes to; `known` are the sizes of nodes, `above` those it lies in."""
    if id(node) in above:
        found = f"an alias of what it lies in (row {node.start_mark.line + 1})"
        raise UserError(Problem(where, "a YAML file without circles", found))
    if id(node) not in known:
        parts = _parts(node)
        known[id(node)] = 1 + sum(_size(part, where, known, above | {id(node)}) for part in parts)
    return known[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
