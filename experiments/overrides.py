"""`--set KEY=VALUE`: overriding single settings of a recipe."""

import ast
import dataclasses
import types

_UNSET = object()  # an option that the recipe leaves to its default, which need not be None
FIXED = ("dataset", "model", "method", "scale")  # chosen by options of their own


def override(recipe, text: str):
    """Apply one "key=value": a field of `Recipe`, or an option as "loss_options.lam=2".

    Raises:
        ValueError: no "=", an unknown key (the message lists them), a value of another type.
    """
    key, equals, value = text.partition("=")
    outer, _, inner = key.partition(".")
    fields = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
    if not equals or outer not in fields or outer in FIXED or bool(inner) != isinstance(fields[outer], dict):
        keys = [f"{name}.NAME" if isinstance(old, dict) else name for name, old in fields.items() if name not in FIXED]
        raise ValueError(f"--set {text}: need KEY=VALUE with KEY one of {', '.join(keys)}")
    try:
        like = fields[outer].get(inner, _UNSET) if inner else fields[outer]
        new = {**fields[outer], inner: _option(value, like)} if inner else _parse(value, like)
    except ValueError:
        raise ValueError(f"--set {text}: {key} needs a value like {like!r} ({type(like).__name__})") from None
    return dataclasses.replace(recipe, **{outer: new})


def normalise(recipe, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """The overrides that really change `recipe`, one a key, sorted: equal settings give equal paths."""
    changed = {}
    for text in overrides:
        new = override(recipe, text)
        key = text.partition("=")[0]
        outer, _, inner = key.partition(".")
        value, old = getattr(new, outer), getattr(recipe, outer)
        if inner:
            value, old = value[inner], old.get(inner, _UNSET)
        changed.pop(key, None)
        if value != old:
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            if isinstance(value, float):  # 2.0 is 2; and + parts the overrides
                shown = str(int(value)) if value.is_integer() and abs(value) < 1e15 else shown.replace("e+", "e")
            if any(c in shown for c in "/\\+ \0"):
                raise ValueError(
                    f"--set {text}: the value is part of the run's folder name and cannot hold / \\ + or spaces"
                )
            changed[key] = f"{key}={shown}"
    return tuple(changed[key] for key in sorted(changed))


def _parse(text: str, like):
    if isinstance(like, bool):
        return _flag(text)
    if isinstance(like, tuple):
        return tuple(int(part) for part in text.split(",") if part)
    return type(like)(text)


def _option(text: str, like):
    """An option's value; one that is a number in the recipe stays one, or becomes None."""
    value = _literal(text)
    if isinstance(like, (int, float)) and isinstance(value, str):
        raise ValueError(text)
    return value


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _literal(text: str):
    """An option's value: a number, true, false, none (in any case), inf, or else the text itself."""
    if text in ("inf", "-inf"):
        return float(text)
    if text.lower() in ("true", "false", "none"):
        text = text.capitalize()
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, (int, float, bool, types.NoneType)) else text
