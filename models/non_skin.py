"""Pictures of no skin, for the quality limits: scikit-image's, parts of them, and drawn ones."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

Pixels = npt.NDArray[np.uint8]
CROPS = 8
BUNDLED = (
    "astronaut",
    "binary_blobs",
    "brick",
    "camera",
    "cat",
    "cell",
    "checkerboard",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "lfw_subset",
    "logo",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "shepp_logan_phantom",
    "stereo_motorcycle",
    "text",
)


def scikit_image_pictures() -> dict[str, Pixels]:
    """Every picture that comes inside scikit-image, as RGB; of its face crops every 25th."""
    found = {}
    for name in BUNDLED:
        loaded = getattr(skimage.data, name)()
        if name == "stereo_motorcycle":
            found |= {"stereo_motorcycle left": as_rgb(loaded[0]), "stereo_motorcycle right": as_rgb(loaded[1])}
        elif name == "lfw_subset":
            found |= {f"lfw_subset {number}": as_rgb(loaded[number]) for number in range(0, len(loaded), 25)}
        else:
            found[name] = as_rgb(loaded)
    return found


def as_rgb(array: npt.NDArray[np.generic]) -> Pixels:
    """Any of scikit-image's arrays as uint8 RGB, transparency dropped."""
    values = np.asarray(array, dtype=np.float64)
    if array.dtype != np.uint8:
        values = 255.0 * (values - values.min()) / max(float(np.ptp(values)), 1e-9)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(values[..., :3].round().astype(np.uint8))


def crops(rgb: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """Random square parts of a picture, so that its size and framing do not give it away."""
    height, width = rgb.shape[:2]
    short = min(height, width)
    if short < 160:
        return []
    parts = []
    for _ in range(CROPS):
        side = int(rng.uniform(max(0.35 * short, 100), 0.9 * short))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        parts.append(np.ascontiguousarray(rgb[top : top + side, left : left + side]))
    return parts


def field(rng: np.random.Generator, slope: float, side: int) -> npt.NDArray[np.float64]:
    """Random texture, mean 0 and variance 1, whose amplitude falls with frequency to the power `slope`."""
    spectrum = np.fft.rfft2(rng.normal(size=(side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1.0
    texture = np.fft.irfft2(spectrum / frequency**slope, (side, side))
    return (texture - texture.mean()) / texture.std()


def drawn(rng: np.random.Generator, kind: int, side: int = 128) -> Pixels:
    """One drawn picture of no skin.

    `kind`: 0 plain, 1 ramp, 2 noise, 3 document, 4 landscape, 5 colour texture, 6 grey texture, 7 chart.
    """
    flat = np.ones((side, side, 3))
    if kind == 0:
        values = flat * rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(0, 15), flat.shape)
    elif kind == 1:
        ends = rng.uniform(0, 255, (2, 3)) if rng.random() < 0.5 else np.repeat(rng.uniform(0, 255, (2, 1)), 3, axis=1)
        y, x = np.mgrid[:side, :side] / side - 0.5
        angle = rng.uniform(0, 2 * np.pi)
        along = np.clip(np.cos(angle) * x + np.sin(angle) * y + 0.5, 0, 1)[..., None]
        values = ends[0] + (ends[1] - ends[0]) * along
    elif kind == 2:
        values = flat * rng.normal(rng.uniform(60, 200), rng.uniform(20, 90), (side, side, rng.choice([1, 3])))
    elif kind == 3:
        values = flat * rng.uniform(170, 255) * rng.uniform(0.9, 1, 3)
        height, ink = int(rng.integers(3, 10)), rng.uniform(0, 90, 3)
        for top in range(height, side - height, int(height * rng.uniform(1.5, 2.5))):
            left = int(rng.integers(2, 20))
            while left < side - 10:
                length = int(rng.integers(2, 14))
                values[top : top + max(1, height // 2), left : left + length] = ink
                left += length + int(rng.integers(1, 6))
    elif kind == 4:
        horizon = int(rng.uniform(0.25, 0.75) * side)
        values = flat * rng.uniform((90, 140, 190), (220, 225, 255))
        values[horizon:] = rng.uniform(20, 190, 3) * (0.9, 1, 0.6)
        values += field(rng, rng.uniform(1, 1.8), side)[..., None] * rng.uniform(8, 35)
        values[horizon:] += rng.normal(0, rng.uniform(3, 25), (side - horizon, side, 1))
    elif kind == 5:
        layers = np.stack([field(rng, rng.uniform(0.8, 1.6), side) for _ in range(3)], axis=-1)
        values = flat * rng.uniform(20, 235, 3) + layers * rng.uniform(15, 60)
    elif kind == 6:
        values = (
            flat * (rng.uniform(50, 200) + field(rng, rng.uniform(0.5, 1.8), side) * rng.uniform(10, 60))[..., None]
        )
    else:
        values = np.ascontiguousarray(flat * rng.choice([0, 255, rng.integers(0, 256)]))
        for _ in range(rng.integers(1, 9)):
            colour, (a, b) = rng.uniform(0, 255, 3).tolist(), rng.integers(0, side, (2, 2)).tolist()
            if rng.random() < 0.5:
                cv2.rectangle(values, a, b, colour, -1 if rng.random() < 0.7 else 2)
            else:
                cv2.circle(values, a, int(rng.integers(5, 60)), colour, -1)
    return np.clip(values, 0, 255).astype(np.uint8)
