"""Eight floats at a time, for code that numba compiles.

LLVM turns loops over numbers into vector instructions or leaves them ten times slower, as it sees
fit. Here a kernel says itself what is a vector: `load` eight numbers of an array, `add_product`,
`store`. Places are counted in numbers from the start of a flat float32 array and are not checked.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

WIDTH = 8
_EIGHT = ir.VectorType(ir.FloatType(), WIDTH)
_SAME = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
_FUSED = ("contract",)  # a product and a sum may be one instruction, rounded once


class Eight(types.Type):
    """The type of eight float32."""

    def __init__(self) -> None:
        super().__init__(name="Eight")


@register_model(Eight)
class _EightModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _EIGHT)


EIGHT = Eight()


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """To the place of an array, from the first two arguments."""
    model = context.data_model_manager[signature.args[0]]
    return builder.gep(model.get(builder, arguments[0], "data"), [arguments[1]])


def _filled(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_EIGHT, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, _SAME)


@intrinsic
def load(_typing: Any, array: Any, place: Any) -> Any:
    """``array[place : place + 8]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        vector = builder.load(builder.bitcast(pointer, _EIGHT.as_pointer()))
        vector.align = 4
        return vector

    return EIGHT(array, types.intp), code


@intrinsic
def store(_typing: Any, array: Any, place: Any, vector: Any) -> Any:
    """``array[place : place + 8] = vector``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        builder.store(arguments[2], builder.bitcast(pointer, _EIGHT.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, EIGHT), code


@intrinsic
def spread(_typing: Any, array: Any, place: Any) -> Any:
    """Eight times ``array[place]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _filled(builder, builder.load(_pointer(context, builder, signature, arguments)))

    return EIGHT(array, types.intp), code


@intrinsic
def fill(_typing: Any, number: Any) -> Any:
    """Eight times a number."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _filled(builder, arguments[0])

    return EIGHT(types.float32), code


@intrinsic
def add_product(_typing: Any, total: Any, a: Any, b: Any) -> Any:
    """``total + a * b``."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        before, *factors = arguments
        return builder.fadd(before, builder.fmul(*factors, flags=_FUSED), flags=_FUSED)

    return EIGHT(EIGHT, EIGHT, EIGHT), code


@intrinsic
def where_greater(_typing: Any, a: Any, b: Any, chosen: Any, otherwise: Any) -> Any:
    """``chosen`` where ``a > b``, else ``otherwise``, also where one of them is NaN."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        a, b, chosen, otherwise = arguments
        return builder.select(builder.fcmp_ordered(">", a, b), chosen, otherwise)

    return EIGHT(EIGHT, EIGHT, EIGHT, EIGHT), code


_FROM_MACHINE_CODE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
part = numba.njit(**_FROM_MACHINE_CODE)
"""Decorates a part of a kernel: only other compiled code calls it."""
inlined = numba.njit(forceinline=True, **_FROM_MACHINE_CODE)
"""Decorates a part that becomes one with its caller, so that vectors stay in registers."""
