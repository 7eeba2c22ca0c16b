"""The gradients of LeNet's two convolutions, from what `convolution.forward` noted.

Of the four pixels of a pooling window only the one that won has a gradient, and none where the ReLU
cut it. So nothing is unpooled: what a winner adds to the gradients of weights and of input is its
gradient times the 5 x 5 inputs, or weights, that made it, a row of five pixels at a time.
"""

from __future__ import annotations

import numpy as np

from study.training.kernels.compiling import compiled
from study.training.kernels.convolution import IMAGE, MAPS, PIXEL, POOLED, ROW, SIDE, framed
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

_KERNEL = 5 * 5 * 8  # numbers of the second layer's weights of one map, with two zeros a place
_BLOCK = 32  # images whose gradients are summed in float32; these sums are summed in float64


@inlined
def _read(array, place, apart):
    """Five vectors, so far apart."""
    return (
        load(array, place),
        load(array, place + apart),
        load(array, place + 2 * apart),
        load(array, place + 3 * apart),
        load(array, place + 4 * apart),
    )


@inlined
def _write(array, place, vectors):
    """Five vectors, one after the other."""
    a, b, c, d, e = vectors
    store(array, place, a)
    store(array, place + 8, b)
    store(array, place + 16, c)
    store(array, place + 24, d)
    store(array, place + 32, e)


@inlined
def _add_row(sums, gradient, row):
    """Five sums, with the gradient times five vectors."""
    a, b, c, d, e = sums
    v, w, x, y, z = row
    return (
        add_product(a, gradient, v),
        add_product(b, gradient, w),
        add_product(c, gradient, x),
        add_product(d, gradient, y),
        add_product(e, gradient, z),
    )


@part
def _winners(gradient, notes, at, values, places, ends):
    """List the second layer's winners that have a gradient, map by map: their gradients, the places
    of their inputs in the first layer's maps, and where in the list each map ends."""
    count = 0
    for number in range(16):
        for y in range(5):
            for x in range(5):
                note = notes[at + (y * 5 + x) * 16 + number]
                value = gradient[at + number * 25 + y * 5 + x]
                values[count] = value
                places[count] = 2 * y * ROW + 2 * x * PIXEL + int(note)
                count += (note >= 0) & (value != 0)  # else the next one takes its place
        ends[number + 1] = count


@part
def _second_weights(winners, maps, at, weights, biases):
    """Add to the gradients of the second layer's weights, (16 maps, 5, 5, 8), and biases."""
    values, places, ends = winners
    for number in range(16):
        for each in range(ends[number], ends[number + 1]):
            biases[number] += values[each]
        for row in range(5):
            tap = number * _KERNEL + row * 40
            sums = _read(weights, tap, 8)
            for each in range(ends[number], ends[number + 1]):
                inputs = _read(maps, at + places[each] + row * ROW, PIXEL)
                sums = _add_row(sums, spread(values, each), inputs)
            _write(weights, tap, sums)


@part
def _second_inputs(winners, weights, gradient):
    """Write the gradient of the first layer's maps (MAPS)."""
    values, places, ends = winners
    gradient[:] = 0
    for number in range(16):
        for each in range(ends[number], ends[number + 1]):
            value = spread(values, each)
            for row in range(5):
                place = places[each] + row * ROW
                taps = _read(weights, number * _KERNEL + row * 40, 8)
                _write(gradient, place, _add_row(_read(gradient, place, 8), value, taps))


@part
def _cut(gradient, notes, at, places):
    """No gradient where the ReLU cut; the places of the first layer's winners in the image."""
    zero = fill(np.float32(0))
    below = fill(np.float32(-1))
    for place in range(0, MAPS, 8):
        note = load(notes, at + place)
        store(gradient, place, where_greater(note, below, load(gradient, place), zero))
    for y in range(14):
        for x in range(14):
            place = y * ROW + x * PIXEL
            for number in range(8):
                note = max(notes[at + place + number], np.float32(0))
                places[place + number] = 2 * y * SIDE + 2 * x + int(note)


@part
def _first_weights(gradient, places, image, weights, biases):
    """Add to the gradients of the first layer's weights, (6 maps, 5, 8 of which 5), and biases."""
    for number in range(6):
        tap, total = number * 40, np.float32(0)
        sums = _read(weights, tap, 8)
        for place in range(number, MAPS, 8):
            total += gradient[place]
            inputs = _read(image, places[place], SIDE)
            sums = _add_row(sums, spread(gradient, place), inputs)
        _write(weights, tap, sums)
        biases[number] += total


@part
def _channel_last(weights):
    """The second layer's weights (16, 6, 25) as (16, 25, 8), with zeros in the last two."""
    turned = np.zeros(16 * _KERNEL, np.float32)
    for number in range(16):
        for channel in range(6):
            for tap in range(25):
                place = (number * 25 + tap) * 8 + channel
                turned[place] = weights[(number * 6 + channel) * 25 + tap]
    return turned


@compiled
def backward(
    pixels,
    maps,
    notes,
    last_notes,
    gradient,
    weight2,
    weight1_grad,
    bias1_grad,
    weight2_grad,
    bias2_grad,
):
    """Write the gradients of weights and biases; whether all of these are finite.

    maps, notes, last_notes: of `forward`. gradient: of its output, (n x 16 x 25).
    """
    weights = _channel_last(weight2)
    image, maps_grad = np.zeros(IMAGE, np.float32), np.empty(MAPS, np.float32)
    places = np.empty(MAPS, np.int64)
    winners = (
        np.empty(POOLED + 1, np.float32),
        np.empty(POOLED + 1, np.int64),
        np.zeros(17, np.int64),
    )
    firsts, seconds = np.zeros(6 * 40), np.zeros(16 * _KERNEL)
    biases1, biases2 = np.zeros(6), np.zeros(16)
    images = len(gradient) // POOLED
    for block in range(0, images, _BLOCK):
        first, second = np.zeros(6 * 40, np.float32), np.zeros(16 * _KERNEL, np.float32)
        for each in range(block, min(block + _BLOCK, images)):
            values, found, ends = winners
            _winners(gradient, last_notes, each * POOLED, values, found, ends)
            _second_weights(winners, maps, each * MAPS, second, biases2)
            _second_inputs(winners, weights, maps_grad)
            _cut(maps_grad, notes, each * MAPS, places)
            framed(pixels, each * 784, image)
            _first_weights(maps_grad, places, image, first, biases1)
        firsts += first
        seconds += second
    bias1_grad[:] = biases1
    bias2_grad[:] = biases2
    for number in range(6):
        for tap in range(25):
            weight1_grad[number * 25 + tap] = firsts[number * 40 + tap // 5 * 8 + tap % 5]
    for number in range(16):
        for channel in range(6):
            for tap in range(25):
                place = (number * 25 + tap) * 8 + channel
                weight2_grad[(number * 6 + channel) * 25 + tap] = seconds[place]
    total = weight1_grad.sum() + bias1_grad.sum() + weight2_grad.sum() + bias2_grad.sum()
    return np.isfinite(total)
