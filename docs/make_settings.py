"""Write docs/settings.md from the settings' dataclasses: types, defaults, and the comment behind each.

python docs/make_settings.py
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from lightning_pose.config import WITHOUT_EFFECT
from lightning_pose.settings import Settings

TARGET = Path(__file__).with_name("settings.md")
INTRODUCTION = """# Settings

One YAML file a dataset, in `config/`. It says only what differs from the defaults below. Sections and keys
are those of Lightning Pose; `workflow` is what the DAG needs on top. Every key can be overridden on the
command line: `litpose train chickadee.yaml --overrides training.max_steps=100 model.backbone=resnet18`. A
training writes the complete settings that it used into `config.yaml` of its folder.

This page is made from `lightning_pose/settings.py` by `python docs/make_settings.py`.
"""


def main() -> None:
    TARGET.write_text(reference())


def reference() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for field in dataclasses.fields(Settings):
        section = get_type_hints(Settings)[field.name]
        parts.append(f"## {field.name}\n\n{inspect.getdoc(section)}\n")
        parts.append("| key | type | default | meaning |\n|---|---|---|---|")
        parts.extend(
            f"| `{key}` | {kind} | {default} | {text} |"
            for key, kind, default, text in rows(section, field.name)
        )
        parts.append("")
    ignored = ", ".join(f"`{key}`" for key in sorted(WITHOUT_EFFECT))
    parts.append(
        "## Keys of Lightning Pose without effect here\n\n"
        f"Accepted with a warning, so that files written for it load as they are: {ignored}.\n"
    )
    return "\n".join(parts)


def rows(kind: type, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, type, default and meaning of each setting of a dataclass, nested ones by dotted keys."""
    comments, hints, defaults = field_comments(kind), get_type_hints(kind), kind()
    for field in dataclasses.fields(kind):
        hint, key = hints[field.name], f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(hint):
            yield from rows(hint, key)
        else:
            default = shown(getattr(defaults, field.name))
            yield key, type_name(hint), default, meaning(hint, comments.get(field.name, ""))


def shown(default: Any) -> str:
    return f"`{default.name if isinstance(default, Enum) else 'null' if default is None else default}`"


def type_name(hint: Any) -> str:
    if inspect.isclass(hint) and issubclass(hint, Enum):
        return " / ".join(member.name for member in hint)
    if isinstance(hint, types.UnionType):
        return " or ".join(type_name(part) for part in get_args(hint))
    if hint is type(None):
        return "null"
    text = hint.__name__ if inspect.isclass(hint) and not get_args(hint) else str(hint)
    return text.replace("typing.Any", "any")


def meaning(hint: Any, comment: str) -> str:
    if comment or not (inspect.isclass(hint) and issubclass(hint, Enum)):
        return comment
    return inspect.getdoc(hint) or ""


def field_comments(kind: type) -> dict[str, str]:
    """Return the comment behind each field in the source, an inherited one's too."""
    bases = [base for base in reversed(kind.__mro__) if dataclasses.is_dataclass(base)]
    source = "\n".join(textwrap.dedent(inspect.getsource(base)) for base in bases)
    return {name: text for name, text in re.findall(r"^    (\w+): .*?  # (.+)$", source, re.MULTILINE)}


if __name__ == "__main__":
    main()
