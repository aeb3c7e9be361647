"""IDX files, the format of the MNIST family: a magic number, the sizes, then unsigned bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.labelled import LabelledData
from chainrule.errors import DataError, text

_PARTS = {"train": "the training part", "t10k": "the test part"}
_HINT = "IDX files begin with 0, 0, 8 and the number of dimensions; MNIST's are named train-images-idx3-ubyte(.gz)."


def load(folder: Path) -> LabelledData:
    """Read a folder that holds train-images-idx3-ubyte(.gz), train-labels-idx1-ubyte(.gz) and, if there, t10k-….

    Images become rows of uint8, not rescaled. Raises DataError for a missing, damaged or wrong file.
    """
    training = _part(folder, "train")
    if training is None:
        got = ", ".join(sorted(f.name for f in folder.iterdir())[:5]) or "an empty folder"
        raise DataError(text(str(folder), expected="train-images-idx3-ubyte(.gz)", got=got, hint=_HINT))
    test = _part(folder, "t10k")
    return LabelledData(training.name, training.X, training.labels, training.feature_names, test=test)


def _part(folder: Path, part: str) -> LabelledData | None:
    images_file = _find(folder, f"{part}-images-idx3-ubyte")
    if images_file is None:
        return None
    labels_file = _find(folder, f"{part}-labels-idx1-ubyte")
    if labels_file is None:
        name = f"{part}-labels-idx1-ubyte(.gz)"
        raise DataError(text(str(folder), expected=name, got="no such file", hint=f"{_PARTS[part]} needs labels."))
    images, labels = read(images_file, 3), read(labels_file, 1)
    if not images.size:
        hint = "Fetch it anew."
        raise DataError(text(str(images_file), expected="images", got=f"sizes {images.shape}", hint=hint))
    if len(images) != len(labels):
        got = f"{len(images)} images and {len(labels)} labels"
        raise DataError(text(str(folder), expected="a label for each image", got=got, hint="Fetch both files anew."))
    height, width = images.shape[1:]
    names = tuple(f"pixel_{row}_{column}" for row in range(height) for column in range(width))
    name = str(folder) if part == "train" else f"{folder} (its test part)"
    return LabelledData(name, images.reshape(len(images), -1), labels, names)


def _find(folder: Path, stem: str) -> Path | None:
    return next((file for file in (folder / stem, folder / f"{stem}.gz") if file.is_file()), None)


def read(file: Path, dimensions: int) -> NDArray[Any]:
    """Read one IDX file of unsigned bytes with the given number of dimensions, compressed or not.

    Never reads more than its own header announces. Raises DataError for another format and for one cut short.
    """
    expected = f"an IDX file of {dimensions} dimension{'s' if dimensions > 1 else ''}"
    opener: Any = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rb") as stream:
            head = stream.read(4 + 4 * dimensions)
            if head[:4] != bytes((0, 0, 8, dimensions)) or len(head) < 4 + 4 * dimensions:
                raise DataError(text(str(file), expected=expected, got=f"a file that begins {head[:4]!r}", hint=_HINT))
            shape = struct.unpack(f">{dimensions}I", head[4:])
            size = math.prod(shape)
            # in pieces, so that sizes made up by a damaged header can't reserve memory that the file never fills
            content = bytearray()
            while len(content) <= size and (piece := stream.read(min(1 << 24, size + 1 - len(content)))):
                content += piece
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(text(str(file), expected=expected, got=str(error), hint=_HINT)) from None
    if len(content) != size:
        got = f"{'more' if len(content) > size else f'only {len(content):,}'} of them"
        raise DataError(text(str(file), expected=f"{size:,} bytes after its header", got=got, hint="Fetch it anew."))
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
