"""Render a car on a turntable: flat shading, painted back to front, from 24 azimuths and 4 elevations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sivae_translate.datasets.car_design import Car
from sivae_translate.datasets.car_mesh import Array, Mesh, build_mesh
from sivae_translate.errors import UsageError

AZIMUTHS = 24
ELEVATIONS = 4

SUPERSAMPLING = 4
CAMERA_DISTANCE = 13.0  # metres; near enough for a visible perspective
FIELD = 5.1  # metres across the image at the turntable's axis; the longest car fits at every azimuth
AIM = 0.62  # metres above the ground


def render(car: Car, azimuth: int, elevation: int, size: int = 64, *, shadow: bool = False) -> Array:
    """One view of a car on white, uint8 `[size, size, 3]`.

    Args:
        car: the design.
        azimuth: in steps of 15 degrees, modulo 24; 0 shows the nose, 6 the left side, 12 the tail.
        elevation: 0..3, for a camera 5, 15, 25 or 35 degrees above the ground.
        size: side of the image in pixels, 16..512.
        shadow: draw a soft shadow below the car.

    Raises:
        UsageError: elevation or size is out of range.
    """
    expect(0 <= elevation < ELEVATIONS, "elevation", elevation, f"0..{ELEVATIONS - 1}", "elevation=1")
    expect(16 <= size <= 512, "size", size, "16..512 pixels", "size=64")
    turn, climb = 2 * np.pi * (azimuth % AZIMUTHS) / AZIMUTHS, np.radians(5 + 10 * elevation)
    mesh, camera = build_mesh(car), Camera(turn, climb, size * SUPERSAMPLING)
    towards = camera.eye - mesh.centroids
    facing = np.flatnonzero((towards * mesh.normals).sum(axis=1) > 0)
    distance = (towards[facing] ** 2).sum(axis=1)
    order = facing[np.lexsort((-distance, mesh.layers[facing]))]
    fills = shade(mesh, order, turn, towards).tolist()
    runs, flat = (2 * mesh.runs[order]).tolist(), camera.project(mesh.points).ravel().tolist()

    image = draw_ground(car, camera, size) if shadow else Image.new("RGB", (camera.size, camera.size), "white")
    draw = ImageDraw.Draw(image)
    for (first, last), fill in zip(runs, fills, strict=True):
        draw.polygon(flat[first:last], fill=tuple(fill))
    return np.array(image.reduce(SUPERSAMPLING))


class Camera:
    """A perspective camera aimed at the turntable's axis.

    Args:
        turn: azimuth in radians.
        climb: elevation in radians.
        size: side of the image in pixels.
    """

    def __init__(self, turn: float, climb: float, size: int) -> None:
        self.size = size
        self.back = np.array([np.cos(turn) * np.cos(climb), np.sin(turn) * np.cos(climb), np.sin(climb)])
        self.right = np.array([-np.sin(turn), np.cos(turn), 0.0])
        self.up = np.cross(self.back, self.right)
        self.aim = np.array([0.0, 0.0, AIM])
        self.eye = self.aim + CAMERA_DISTANCE * self.back

    def project(self, points: Array) -> Array:
        """Points `[V, 3]` in metres -> pixels `[V, 2]`."""
        seen = (points - self.aim) @ np.stack([self.right, -self.up, self.back], axis=1)
        scale = self.size / FIELD * CAMERA_DISTANCE / (CAMERA_DISTANCE - seen[:, 2:])
        pixels: Array = self.size / 2 + seen[:, :2] * scale
        return pixels


def shade(mesh: Mesh, faces: Array, turn: float, towards: Array) -> Array:
    """Colours of faces, uint8 `[F, 3]`, by Blinn-Phong shading: ambient, diffuse and highlight of one lamp.

    The lamp is above and to the left of the camera, and turns with it.
    """
    angle, height = turn - np.radians(38), np.radians(52)
    light = np.array([np.cos(angle) * np.cos(height), np.sin(angle) * np.cos(height), np.sin(height)])
    normals, (ambient, diffuse, gloss) = mesh.normals[faces], mesh.shading[faces].T
    view = towards[faces] / np.linalg.norm(towards[faces], axis=1, keepdims=True)
    halfway = light + view
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    lit = ambient + diffuse * np.maximum(normals @ light, 0)
    highlight = gloss * np.maximum((normals * halfway).sum(axis=1), 0) ** 24
    colours = mesh.colours[faces] * lit[:, None]
    bright: Array = np.clip(colours + (255 - colours) * highlight[:, None], 0, 255).astype(np.uint8)
    return bright


def draw_ground(car: Car, camera: Camera, size: int) -> Image.Image:
    """White ground with the car's shadow: its outline in grey, blurred."""
    corner = np.array([car.length / 2 - 0.2, car.width / 2 - 0.06, 0.0])
    outline = camera.project(corner * np.array([(1, 1, 0), (1, -1, 0), (-1, -1, 0), (-1, 1, 0)])) * (size / camera.size)
    soft = Image.new("L", (size, size), 255)
    ImageDraw.Draw(soft).polygon(outline.ravel().tolist(), fill=120)
    soft = soft.filter(ImageFilter.GaussianBlur(0.014 * size))
    return soft.resize((camera.size, camera.size), Image.Resampling.BILINEAR).convert("RGB")


def turntable(car: Car, size: int = 64) -> Iterator[tuple[int, int, Array]]:
    """All 96 views: azimuth, elevation and the image, uint8 `[size, size, 3]`."""
    for elevation, azimuth in itertools.product(range(ELEVATIONS), range(AZIMUTHS)):
        yield azimuth, elevation, render(car, azimuth, elevation, size)


def expect(holds: bool, name: str, given: object, expected: str, fix: str) -> None:
    """Raise UsageError about an argument where the condition does not hold."""
    if not holds:
        raise UsageError(f"{name} was {given}, expected {expected}: try {fix}")
