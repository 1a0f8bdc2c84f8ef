"""The two JSON files of a record in today's format, whichever version wrote them."""

import dataclasses
import json
import math
from pathlib import Path

from experiments.recipes import Recipe

CONFIG, RESULT = "config.json", "result.json"
COMPUTING = ("threads", "eval_batch_size", "precision")  # settings that say how a result is computed
FORMAT = 1  # of config.json; records without a number came before


def read_json(folder: Path) -> tuple[dict, dict]:
    """`config.json` and `result.json` of a folder; settings that an older version did not write are filled in.

    Raises:
        OSError, ValueError, KeyError, TypeError: a file that is missing or damaged.
    """
    config, result = (json.loads((folder / name).read_text()) for name in (CONFIG, RESULT))
    config["recipe"] = with_defaults(config["recipe"])
    if config.get("format", 0) < FORMAT:
        named = tuple(filter(None, folder.parent.name.partition("+")[2].split("+")))
        config = {"format": 0, "overrides": named, "data": {}, "note": "", **config}
        result = {"kept_epoch": result.get("epochs"), "seconds": None, "sha256": {}, **result}
    return config, result


def environments(config: dict) -> list[dict]:
    """Where and by which code a run was trained, an entry a session in their order; those in one place share one.

    Each has `first_epoch`, the first that the session trained at least in part.
    """
    return [*config.get("earlier_environments", []), {"first_epoch": 1, **config["environment"]}]


def with_defaults(recipe: dict) -> dict:
    """A recipe out of a file, in which a setting that is newer than the file has its default."""
    defaults = {}
    for field in dataclasses.fields(Recipe):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    return _plain(defaults) | recipe


def deciding(recipe: dict) -> dict:
    """The settings of a recipe out of a file that say what is computed, not how."""
    return {name: value for name, value in with_defaults(recipe).items() if name not in COMPUTING}


def as_json(recipe: Recipe) -> dict:
    """A recipe as `config.json` gives it back: tuples are lists there, and infinity, which JSON lacks, a text."""
    return _plain(dataclasses.asdict(recipe))


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
