"""From an opened image to eight bits a channel, the same in every reader of images."""

from pathlib import Path

from PIL import Image

from data.files.foreign import told, told_of

SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")  # bits of grey


def as_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in "RGB" or "L". Of 16 bits of grey the high eight are taken; Pillow alone would cut all above 255.

    Raises:
        ValueError: 32 bits or fractions, whose black and white nothing tells.
    """
    if image.mode in SIXTEEN or (image.mode == "I" and image.format == "PNG"):  # a PNG has no more than 16
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode in ("I", "F"):
        raise ValueError(f"it has 32 bits a pixel (mode {image.mode}): save it with 8")
    return image.convert(mode)


def why_not(error: Exception, source: Path | bytes) -> str:
    """Why an image cannot be decoded: what its file is instead, if that can be told."""
    what = told_of(source) if isinstance(source, bytes) else told(source)
    return f"it {what}" if what else str(error)
