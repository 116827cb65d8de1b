"""Thirty-two neurons at once: a vector type for Numba's compiled loops.

LLVM splits a vector of 32 numbers over whatever registers the processor has (four of AVX2's, two of AVX-512's, eight
of NEON's). Loops written in it keep their sums in registers across an inner loop over events, which the automatic
vectoriser cannot do for arrays, and need no second version for what is left over: the last, partial vector is
loaded and stored under a mask.

Arithmetic is element by element and is never reassociated or fused, except in :func:`fma`, so that each element has
the bits that the same operations on scalars give.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

WIDTH = 32
"""Numbers in a vector."""
LINE = 64
"""Bytes of a line of the cache."""

_I1, _I32, _I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)


class Lanes(types.Type):
    """The type of a vector of 32 float32 or float64."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        element = ir.FloatType() if kind.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, kind, ir.VectorType(element, WIDTH))


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return where element ``index`` of a flat array lies, as the address of a vector."""
    if array_type.layout != "C":
        raise TypeError(f"a vector of {array_type} is not in one piece: give a contiguous array.")
    data = context.make_array(array_type)(context, builder, array).data
    element = context.get_value_type(array_type.dtype)
    return builder.bitcast(builder.gep(data, [index]), ir.VectorType(element, WIDTH).as_pointer())


def _spread(builder: Any, value: Any, kind: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_I32, WIDTH), None))


def _mask(builder: Any, count: Any) -> Any:
    """Return which lanes are among the first ``count``."""
    numbers = ir.Constant(ir.VectorType(_I64, WIDTH), list(range(WIDTH)))
    return builder.icmp_signed("<", numbers, _spread(builder, count, numbers.type))


def _llvm(builder: Any, name: str, vector: Any, result: Any, arguments: list[Any], suffix: str = "") -> Any:
    """Call one of LLVM's own functions; it has one for each type, told apart by the end of its name."""
    kind = f"v{WIDTH}f{32 if isinstance(vector.element, ir.FloatType) else 64}"
    function_type = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(
        cgutils.get_or_insert_function(builder.module, function_type, f"llvm.{name}.{kind}{suffix}"), arguments
    )


def _operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a function that Numba calls with types into one that compiled code calls with values."""
    return intrinsic(function)


@_operation
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """``load(array, index)``: the 32 elements from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature.args[0], *arguments))
        value.align = array.dtype.bitwidth // 8
        return value

    return Lanes(array.dtype)(array, types.intp), generate


@_operation
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """``store(array, index, value)``: write the 32 elements from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        written = builder.store(arguments[2], _address(context, builder, signature.args[0], *arguments[:2]))
        written.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@_operation
def stream(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """``stream(array, index, value)``: as :func:`store`, past the cache; the elements have to begin at a line of it.

    For what is read only after much else: a line that is written whole need not be fetched first. Other threads may
    read it after a :func:`fence`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        written = builder.store(arguments[2], _address(context, builder, signature.args[0], *arguments[:2]))
        written.align = LINE
        written.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(_I32, 1)]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@_operation
def fence(typing_context: Any) -> Any:
    """``fence()``: wait until what was written past the cache lies in memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


def _prefetch(write: int, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array_type = signature.args[0]
    first = builder.bitcast(_address(context, builder, array_type, *arguments), ir.IntType(8).as_pointer())
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [first.type, _I32, _I32, _I32]), "llvm.prefetch.p0"
    )
    near, data = ir.Constant(_I32, 3), ir.Constant(_I32, 1)
    for line in range(WIDTH * array_type.dtype.bitwidth // (8 * LINE)):
        at = builder.gep(first, [ir.Constant(_I64, LINE * line)])
        builder.call(function, [at, ir.Constant(_I32, write), near, data])
    return context.get_dummy_value()


@_operation
def will_read(typing_context: Any, array: Any, index: Any) -> Any:
    """``will_read(array, index)``: fetch the 32 elements from ``index`` on into the cache, which may lie outside.

    For steps that lie so far apart in memory that no hardware foresees them.
    """
    return types.void(array, types.intp), partial(_prefetch, 0)


@_operation
def will_write(typing_context: Any, array: Any, index: Any) -> Any:
    """``will_write(array, index)``: as :func:`will_read`, for elements that will be written."""
    return types.void(array, types.intp), partial(_prefetch, 1)


@_operation
def load_first(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """``load_first(array, index, count)``: the first ``count`` elements from ``index`` on, and 0 in the other lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        address = _address(context, builder, signature.args[0], *arguments[:2])
        align = ir.Constant(_I32, array.dtype.bitwidth // 8)
        among = _mask(builder, arguments[2])
        return _llvm(builder, "masked.load", vector, vector, [address, align, among, ir.Constant(vector, None)], ".p0")

    return Lanes(array.dtype)(array, types.intp, types.intp), generate


@_operation
def store_first(typing_context: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """``store_first(array, index, value, count)``: write the first ``count`` lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments[:2])
        align = ir.Constant(_I32, array.dtype.bitwidth // 8)
        among = _mask(builder, arguments[3])
        written = arguments[2]
        _llvm(builder, "masked.store", written.type, ir.VoidType(), [written, address, align, among], ".p0")
        return context.get_dummy_value()

    return types.void(array, types.intp, value, types.intp), generate


@_operation
def spread(typing_context: Any, number: Any) -> Any:
    """``spread(number)``: the number in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0], context.get_value_type(signature.return_type))

    return Lanes(number)(number), generate


@_operation
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """``fma(a, b, c)``: a · b + c, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[0].type
        return _llvm(builder, "fmuladd", vector, vector, list(arguments))

    return a(a, b, c), generate


@_operation
def choose_ge(typing_context: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """``choose_ge(a, b, yes, no)``: ``yes`` where a >= b, ``no`` elsewhere and where either is not a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">=", *arguments[:2]), *arguments[2:])

    return a(a, b, yes, no), generate


@_operation
def choose_inside(typing_context: Any, a: Any, half: Any, yes: Any, no: Any) -> Any:
    """``choose_inside(a, half, yes, no)``: ``yes`` where |a| < half, ``no`` elsewhere and where a is not a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[0].type
        size = _llvm(builder, "fabs", vector, vector, [arguments[0]])
        return builder.select(builder.fcmp_ordered("<", size, arguments[1]), *arguments[2:])

    return a(a, half, yes, no), generate


@_operation
def bits_ge(typing_context: Any, a: Any, b: Any) -> Any:
    """``bits_ge(a, b)``: a uint64 whose bit j says whether a >= b in lane j."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.bitcast(builder.fcmp_ordered(">=", *arguments), _I32), _I64)

    return types.uint64(a, b), generate


@_operation
def choose_bits(typing_context: Any, bits: Any, yes: Any, no: Any) -> Any:
    """``choose_bits(bits, yes, no)``: ``yes`` in lane j where bit j of a uint32 is set, ``no`` elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.bitcast(arguments[0], ir.VectorType(_I1, WIDTH)), *arguments[1:])

    return yes(types.uint32, yes, no), generate


@_operation
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """``lowest_bit(bits)``: the number of the lowest bit that is set; ``bits`` must not be 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(_I1, 1))

    return types.intp(types.uint64), generate


def _elementwise(symbol: Callable[..., Any], instruction: str) -> None:
    @type_callable(symbol)
    def _typing(context: Any) -> Any:
        def typer(a: Any, b: Any) -> Any:
            return a if isinstance(a, Lanes) and a == b else None

        return typer

    @lower_builtin(symbol, Lanes, Lanes)
    def _lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


_elementwise(operator.add, "fadd")
_elementwise(operator.sub, "fsub")
_elementwise(operator.mul, "fmul")
