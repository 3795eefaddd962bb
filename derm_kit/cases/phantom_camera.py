"""What stands between a phantom lesion and its picture: skin, hair, gel bubbles, ruler, optics, sensor, caption."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from derm_kit.cases.phantom_canvas import Canvas, Field, Ink, Mask, Rng, blur, grain, mosaic, noise, ramp

CAPTION = "PHANTOM - test object, not a patient"
CAPTION_SHARE = 0.06
"""Height of the caption strip as a share of the picture."""


def caption_top_px(size_px: int) -> int:
    """First row of the caption strip."""
    return size_px - max(8, round(CAPTION_SHARE * size_px))


def skin(canvas: Canvas, rng: Rng) -> None:
    """Healthy skin around and under the lesion: mottled blood, uneven melanin, furrows and follicles."""
    size = canvas.size
    flush = rng.uniform(0.02, 0.30)
    canvas.blood += np.maximum(0.0, flush + rng.uniform(0.008, 0.03) * noise(rng, size, 6, 5, 0.75))
    canvas.skin *= 1 + rng.uniform(-0.10, 0.10)
    canvas.skin *= np.maximum(0.3, 1 + rng.uniform(0.02, 0.07) * noise(rng, size, 8, 5, 0.9))
    warp = (0.02 * noise(rng, size, 8), 0.02 * noise(rng, size, 8))
    furrow = mosaic(rng, size, rng.uniform(0.05, 0.10), 0.9, warp, oversample=1)
    line = ramp(furrow.wall_u, 0.02, 0.0) * np.clip(0.3 + 0.6 * noise(rng, size, 7), 0, 1)
    canvas.skin += rng.uniform(-0.03, 0.03) * line + 0.015 * grain(rng, size, 0.9)
    if rng.random() < 0.35:
        lace = np.abs(noise(rng, size, 7, 3, 0.5)) + 0.25 * np.abs(noise(rng, size, 19))
        mesh = ramp(lace, 0.22, 0.0) * np.clip(noise(rng, size, 3), 0, 1)
        canvas.blood += rng.uniform(0.10, 0.35) * mesh
    if rng.random() < 0.15:
        freckle = ramp(noise(rng, size, 9, 5, 0.6), 1.0, 3.2)
        canvas.melanin += rng.uniform(0.05, 0.3) * freckle
    if rng.random() < 0.3:
        glint = ramp(grain(rng, size, 0.8), 2.6, 3.6) * ramp(noise(rng, size, 4), -0.5, 1.5)
        canvas.cover(0.6 * glint, (1.0, 1.0, 1.0))


def hair(canvas: Canvas, rng: Rng) -> None:
    """Dark or fair hairs, long curved or clipped short, over everything."""
    ink = Ink(canvas.size)
    lead, clipped = rng.uniform(0, 2 * np.pi), rng.random() < 0.35
    for _ in range(int(rng.integers(12, 30) if clipped else rng.integers(4, 14))):
        at = rng.uniform(-1, 1, 2)
        head, length = lead + rng.normal(0, 0.4), rng.uniform(0.06, 0.14) if clipped else rng.uniform(0.7, 2.2)
        t = np.linspace(-0.5, 0.5, 24)[:, None]
        along, across = np.array([np.cos(head), np.sin(head)]), np.array([-np.sin(head), np.cos(head)])
        curve = at + t * length * along + rng.normal(0, 0.1 if clipped else 0.35) * length * (t * t) * across
        width = rng.uniform(0.008, 0.016)
        ink.stroke(curve, width, rng.uniform(0.6, 1.0))
        ink.stroke(curve[8:16], width * 1.5, 1.0)
    drawn = ink.field()
    shade = rng.uniform(0.06, 0.34)
    step = max(1, canvas.size // 128)
    shadow = np.pad(blur(drawn, 0.015), ((step, 0), (step, 0)))[: canvas.size, : canvas.size]
    canvas.cover(0.25 * shadow, (0.25, 0.18, 0.15))
    canvas.cover(0.88 * drawn, (shade + 0.05, 0.85 * shade, 0.65 * shade))
    canvas.note("hair", drawn > 0.1)


def gel_bubbles(canvas: Canvas, rng: Rng) -> None:
    """Air bubbles in the contact gel: dark thin rims with a highlight."""
    rim, shine, inner = Ink(canvas.size), Ink(canvas.size), Ink(canvas.size)
    turn = np.linspace(0, 2 * np.pi, 32)
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.uniform(-0.9, 0.9, 2)
        radius = rng.uniform(0.015, 0.07)
        inner.disc(x, y, radius)
        rim.stroke(np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1), 0.009)
        shine.disc(x - 0.4 * radius, y - 0.45 * radius, max(0.006, 0.22 * radius))
    canvas.cover(0.10 * inner.field(), (0.95, 0.95, 0.95))
    canvas.cover(0.65 * rim.field(), (0.22, 0.18, 0.17))
    canvas.cover(0.9 * shine.field(), (1.0, 1.0, 1.0))
    canvas.note("gel_bubble", inner.field() > 0.3)


def ruler(canvas: Canvas, rng: Rng) -> None:
    """Millimetre marks of a dermatoscope's scale along one side."""
    ink = Ink(canvas.size)
    side, step, offset = int(rng.integers(0, 3)), rng.uniform(0.09, 0.15), rng.uniform(0.80, 0.92)
    for k, at in enumerate(np.arange(-0.85, 0.86, step)):
        tall = 0.09 if k % 5 == 0 else 0.05
        ends = np.array([[at, -offset], [at, -offset + tall]])
        if side:
            ends = ends[:, ::-1] * np.array([1 if side == 1 else -1, 1])
        ink.stroke(ends, 0.010)
    drawn = ink.field()
    canvas.cover(0.85 * drawn, (0.10, 0.10, 0.11))
    canvas.note("ruler", drawn > 0.3)


def vignette(canvas: Canvas, rng: Rng) -> Field:
    """The dark corner of a round field of view, as a factor on the light (1 within the field)."""
    radius, soft = rng.uniform(0.98, 1.18), rng.uniform(0.04, 0.35)
    x0, y0 = rng.uniform(-0.06, 0.06, 2)
    factor = 1 - rng.uniform(0.75, 0.97) * ramp(np.hypot(canvas.x - x0, canvas.y - y0), radius, radius + soft)
    canvas.note("vignetting", factor < 0.97)
    return factor


def expose(seen: npt.NDArray[np.float64], rng: Rng, dimming: Field | None) -> npt.NDArray[np.uint8]:
    """Light, lens and sensor: display values (3, size, size) to the uint8 picture (size, size, 3)."""
    size = seen.shape[1]
    light = 1 + 0.05 * ramp(noise(rng, size, 2), -2, 2) - 0.025
    tint, warmth = rng.normal(0, 0.035), rng.normal(0, 0.055)
    balance = (1 + 0.4 * tint + 0.3 * warmth, 1 - tint, 1 + 0.4 * tint - warmth)
    gain = rng.uniform(0.96, 1.20)
    sharpness, speckle = rng.uniform(0.35, 0.9), rng.uniform(0.004, 0.012)
    shared = grain(rng, size, 0.5)
    picture = np.empty((size, size, 3), np.uint8)
    for c in range(3):
        plane = seen[c] * light * (gain * balance[c])
        if dimming is not None:
            plane = plane * dimming
        plane = cv2.GaussianBlur(plane, (5, 5), sharpness * size / 256)
        plane += speckle * (0.8 * shared + 0.6 * grain(rng, size, 0.2))
        picture[:, :, c] = np.rint(np.clip(plane, 0, 1) * 255)
    return picture


def write_caption(picture: npt.NDArray[np.uint8]) -> None:
    """Write the caption strip along the bottom edge, in place."""
    size = picture.shape[0]
    top = caption_top_px(size)
    picture[top:] = 24
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(size / 400))
    (wide, high), _ = cv2.getTextSize(CAPTION, font, 1.0, thick)
    text_scale = min(0.94 * size / wide, 0.62 * (size - top) / high)
    (wide, high), _ = cv2.getTextSize(CAPTION, font, text_scale, thick)
    at = ((size - wide) // 2, top + (size - top + high) // 2)
    strip = np.zeros((size, size), np.uint8)
    cv2.putText(strip, CAPTION, at, font, text_scale, 255, thick, cv2.LINE_AA)
    strip[:top] = 0
    np.maximum(picture, strip[:, :, None], out=picture)


def strip_mask(size_px: int) -> Mask:
    """Where the caption lies, bool (size, size)."""
    mask = np.zeros((size_px, size_px), np.bool_)
    mask[caption_top_px(size_px) :] = True
    return mask
