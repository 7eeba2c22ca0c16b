"""LeNet's two convolutions with bias, max-pooling and ReLU: from images to 16 maps of 5 x 5.

Maps lie beside each other in memory, eight floats a pixel (six of the first layer, and two of
zeros), so that one vector holds one pixel of eight maps. The pixels of a pooling window, each a sum
over 25 places of the kernel, stay in registers until the largest of them is known. Beside it is
noted which one that was: by how much its place in the input lies behind the window's first, or -1
where the ReLU cut it. All arrays are flat float32.
"""

from __future__ import annotations

import numpy as np

from study.training.kernels.compiling import compiled
from study.training.kernels.vectors import (
    add_product,
    fill,
    inlined,
    load,
    part,
    spread,
    store,
    where_greater,
)

SIDE = 32  # of an image with its frame of two zeros
IMAGE = SIDE * SIDE + 8  # eight numbers more, so that a vector may begin at the last pixel
MAPS = 14 * 14 * 8  # numbers of the first layer's maps
PIXEL, ROW = 8, 14 * 8  # from a pixel of these to the next one, and to the one below
POOLED = 5 * 5 * 16  # numbers of the second layer's maps


@part
def framed(pixels, place, image):
    """Copy the 28 x 28 pixels from a place on into the middle of an image."""
    for y in range(28):
        for x in range(28):
            image[(y + 2) * SIDE + x + 2] = pixels[place + y * 28 + x]


@inlined
def _pool(maps, notes, place, check, window, across, down):
    """Write the largest of a window's four pixels and its note, the first one of several.

    across, down: from a pixel of the input to the next one, and to the one below. check: comes
    back with a NaN where a pixel was not finite.
    """
    zero, one = fill(np.float32(0)), fill(np.float32(1))
    a, b, c, d = window
    best, note = a, zero
    right, below = fill(np.float32(across)), fill(np.float32(down))
    best, note = where_greater(b, best, b, best), where_greater(b, best, right, note)
    best, note = where_greater(c, best, c, best), where_greater(c, best, below, note)
    right = fill(np.float32(down + across))
    best, note = where_greater(d, best, d, best), where_greater(d, best, right, note)
    store(maps, place, where_greater(best, zero, best, zero))
    store(notes, place, where_greater(best, zero, note, fill(np.float32(-1))))
    total = add_product(add_product(add_product(a, b, one), c, one), d, one)
    return add_product(check, total, zero)


@inlined
def _first_tap(sums, image, place, weights, tap):
    """One place of the kernel for 2 x 4 pixels of eight maps."""
    a, b, c, d, e, f, g, h = sums
    weight = load(weights, tap)
    return (
        add_product(a, weight, spread(image, place)),
        add_product(b, weight, spread(image, place + 1)),
        add_product(c, weight, spread(image, place + 2)),
        add_product(d, weight, spread(image, place + 3)),
        add_product(e, weight, spread(image, place + SIDE)),
        add_product(f, weight, spread(image, place + SIDE + 1)),
        add_product(g, weight, spread(image, place + SIDE + 2)),
        add_product(h, weight, spread(image, place + SIDE + 3)),
    )


@part
def _first_layer(image, weights, biases, maps, notes, at, check):
    """The first layer's maps of an image from the place ``at`` on; weights: (5, 5, 8 maps)."""
    bias = load(biases, 0)
    for y in range(14):
        for x in range(0, 14, 2):
            sums = (bias, bias, bias, bias, bias, bias, bias, bias)
            corner = 2 * y * SIDE + 2 * x
            for row in range(5):
                for column in range(5):
                    place, tap = corner + row * SIDE + column, (row * 5 + column) * 8
                    sums = _first_tap(sums, image, place, weights, tap)
            a, b, c, d, e, f, g, h = sums
            place = at + y * ROW + x * PIXEL
            check = _pool(maps, notes, place, check, (a, b, e, f), 1, SIDE)
            check = _pool(maps, notes, place + PIXEL, check, (c, d, g, h), 1, SIDE)
    return check


@inlined
def _second_tap(sums, maps, place, weights, tap):
    """One place of the kernel in one map for the 2 x 2 pixels of a window of 16 maps."""
    a, b, c, d, e, f, g, h = sums
    one, two = load(weights, tap), load(weights, tap + 8)
    left, right = spread(maps, place), spread(maps, place + PIXEL)
    below, across = spread(maps, place + ROW), spread(maps, place + ROW + PIXEL)
    return (
        add_product(a, one, left),
        add_product(b, one, right),
        add_product(c, one, below),
        add_product(d, one, across),
        add_product(e, two, left),
        add_product(f, two, right),
        add_product(g, two, below),
        add_product(h, two, across),
    )


@part
def _second_layer(maps, at, weights, biases, pooled, notes, to, check):
    """The second layer's maps from the first one's; weights: (6, 5, 5, 16 maps)."""
    bias, other = load(biases, 0), load(biases, 8)
    for y in range(5):
        for x in range(5):
            sums = (bias, bias, bias, bias, other, other, other, other)
            corner = at + 2 * y * ROW + 2 * x * PIXEL
            for channel in range(6):
                for row in range(5):
                    for column in range(5):
                        place = corner + row * ROW + column * PIXEL + channel
                        tap = ((channel * 5 + row) * 5 + column) * 16
                        sums = _second_tap(sums, maps, place, weights, tap)
            a, b, c, d, e, f, g, h = sums
            place = to + (y * 5 + x) * 16
            check = _pool(pooled, notes, place, check, (a, b, c, d), PIXEL, ROW)
            check = _pool(pooled, notes, place + 8, check, (e, f, g, h), PIXEL, ROW)
    return check


@part
def _map_last(weights, maps, width):
    """Weights (maps, n) as (n, width), with zeros beside the maps."""
    size = len(weights) // maps
    turned = np.zeros(size * width, np.float32)
    for each in range(maps):
        for place in range(size):
            turned[place * width + each] = weights[each * size + place]
    return turned


@compiled
def forward(pixels, weight1, bias1, weight2, bias2, maps, notes, last_notes, out):
    """Write the maps of n images (n x 784) into ``out`` (n x 16 x 25); whether all is finite.

    maps, notes: (n x MAPS), what the first layer made, for `backward`; with room for one image
    only, they are overwritten by the next one. last_notes: (n x POOLED) of the second layer. Where
    a number is not finite, what is written means nothing.
    """
    first, second = _map_last(weight1, 6, 8), _map_last(weight2, 16, 16)
    bias = np.zeros(8, np.float32)
    bias[:6] = bias1
    image, pooled = np.zeros(IMAGE, np.float32), np.empty(len(out), np.float32)
    check = fill(np.float32(0))
    images = len(out) // POOLED
    step = MAPS if len(maps) == images * MAPS else 0
    for each in range(images):
        framed(pixels, each * 784, image)
        check = _first_layer(image, first, bias, maps, notes, each * step, check)
        at = each * POOLED
        check = _second_layer(maps, each * step, second, bias2, pooled, last_notes, at, check)
        for number in range(16):
            for place in range(25):
                at = each * POOLED + place * 16 + number
                out[each * POOLED + number * 25 + place] = pooled[at]
    store(bias, 0, check)
    return np.isfinite(bias.sum())
