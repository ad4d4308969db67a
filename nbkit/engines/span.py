"""SPAN, the upscaling network, put together as an ONNX model from its published ncnn weights.

The published `.bin` is a row of arrays without names, and onnxruntime reads ONNX only. The network is small
enough to be written down here, layer by layer, in the order of that file, and of ONNX, which is a protocol
buffer, a dozen fields are needed. So neither a second runtime nor a converter has to be installed.

Network: Wan and others, "Swift Parameter-free Attention Network for Efficient Super-Resolution", 2023.
Weights: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
Model: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

CHANNELS = 48
BLOCKS = 6
HALF_PRECISION = 0x01306B47  # ncnn's mark before an array of 16-bit floats
OPSET = 17
IR_VERSION = 8


def span_model(weights: bytes, factor: int) -> bytes:
    """Put SPAN together.

    Args:
        weights: The content of `spanx2_ch48.bin` or `spanx4_ch48.bin`.
        factor: The factor these weights were trained for, 2 or 4.

    Returns:
        An ONNX model with one input `picture` of shape (1, 3, height, width), red, green, blue from 0 to 1,
        and one output `larger` of shape (1, 3, factor·height, factor·width), which may overshoot that range.

    Raises:
        ValueError: `weights` are not those of this network.
    """
    graph = _Graph(_NcnnArrays(weights))
    mean = graph.constant(graph.arrays.floats(3).reshape(1, 3, 1, 1))
    white = graph.constant(_scalar(255.0))
    picture = graph.node("Mul", graph.node("Sub", "picture", mean), white)

    first = graph.convolution(picture, 3, CHANNELS)
    features, inner, outputs = first, first, []
    for _ in range(BLOCKS):
        features, inner = graph.attention_block(features)
        outputs.append(features)
    last = graph.convolution(features, CHANNELS, CHANNELS)
    joined = graph.node("Concat", first, last, outputs[0], inner, axis=1)
    mixed = graph.convolution(joined, 4 * CHANNELS, CHANNELS, kernel=1)
    subpixels = graph.convolution(mixed, CHANNELS, 3 * factor * factor)
    graph.node("DepthToSpace", subpixels, output="larger", blocksize=factor, mode="CRD")
    graph.arrays.expect_end()
    return graph.model("picture", "larger")


class _NcnnArrays:
    """The arrays of an ncnn `.bin` file, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def floats(self, count: int) -> NDArray[np.float32]:
        """Take 32-bit floats that stand without a mark (constants and biases)."""
        import numpy as np

        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def marked(self, count: int) -> NDArray[np.float32]:
        """Take the kernel of a convolution: a mark, then 16-bit floats, filled up to whole 32-bit words."""
        import numpy as np

        (mark,) = struct.unpack("<I", self._take(4))
        if mark != HALF_PRECISION:
            raise ValueError(f"not 16-bit ncnn weights: mark {mark:#010x} at byte {self._at - 4}")
        return np.frombuffer(self._take((2 * count + 3) // 4 * 4), "<f2")[:count].astype(np.float32)

    def expect_end(self) -> None:
        if self._at != len(self._content):
            raise ValueError(f"{len(self._content) - self._at} bytes of weights are left over")

    def _take(self, size: int) -> bytes:
        taken = self._content[self._at : self._at + size]
        if len(taken) < size:
            raise ValueError(f"the weights end at byte {len(self._content)}, in the middle of an array")
        self._at += size
        return taken


class _Graph:
    """An ONNX graph as it grows; every method returns the name of what it adds."""

    def __init__(self, arrays: _NcnnArrays) -> None:
        self.arrays = arrays
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def node(
        self, operator: str, *inputs: str, output: str = "", **attributes: int | str | Sequence[int]
    ) -> str:
        output = output or f"{operator}_{len(self._nodes)}"
        self._nodes.append(
            b"".join(_text(1, name) for name in inputs)
            + _text(2, output)
            + _text(4, operator)
            + b"".join(_bytes(5, _attribute(name, value)) for name, value in attributes.items())
        )
        return output

    def constant(self, values: NDArray[np.float32]) -> str:
        name = f"constant_{len(self._tensors)}"
        dimensions = b"".join(_int(1, size) for size in values.shape)
        content = values.astype("<f4").tobytes()
        self._tensors.append(dimensions + _int(2, 1) + _text(8, name) + _bytes(9, content))
        return name

    def convolution(self, data: str, inputs: int, outputs: int, kernel: int = 3) -> str:
        """Add a convolution with the next kernel and bias of the weights; the size of the picture stays."""
        shape = (outputs, inputs, kernel, kernel)
        weight = self.arrays.marked(math.prod(shape)).reshape(shape)
        bias = self.arrays.floats(outputs)
        return self.node(
            "Conv",
            data,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
        )

    def attention_block(self, features: str) -> tuple[str, str]:
        """Add a block; the attention has no weights: (block + features) · (sigmoid(block) - ½).

        Returns:
            The block's output, and what its first activation gave.
        """
        inner = self._swish(self.convolution(features, CHANNELS, CHANNELS))
        block = self._swish(self.convolution(inner, CHANNELS, CHANNELS))
        block = self.convolution(block, CHANNELS, CHANNELS)
        attention = self.node("Sub", self.node("Sigmoid", block), self.constant(_scalar(0.5)))
        return self.node("Mul", self.node("Add", block, features), attention), inner

    def _swish(self, data: str) -> str:
        return self.node("Mul", data, self.node("Sigmoid", data))

    def model(self, picture: str, larger: str) -> bytes:
        graph = (
            b"".join(_bytes(1, node) for node in self._nodes)
            + _text(2, "span")
            + b"".join(_bytes(5, tensor) for tensor in self._tensors)
            + _bytes(11, _picture(picture))
            + _bytes(12, _picture(larger))
        )
        return _int(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _text(1, "") + _int(2, OPSET))


def _scalar(value: float) -> NDArray[np.float32]:
    import numpy as np

    return np.array(value, np.float32)


def _attribute(name: str, value: int | str | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _int(3, value) + _int(20, 2)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _int(20, 3)
    return _text(1, name) + b"".join(_int(8, item) for item in value) + _int(20, 7)


def _picture(name: str) -> bytes:
    """Describe a tensor of 32-bit floats: one picture of three channels and any size."""
    sizes = [_int(1, 1), _int(1, 3), _text(2, f"{name}_height"), _text(2, f"{name}_width")]
    shape = b"".join(_bytes(1, size) for size in sizes)
    return _text(1, name) + _bytes(2, _bytes(1, _int(1, 1) + _bytes(2, shape)))


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Write an integer seven bits at a time, the lowest first; the eighth bit says that more follow."""
    encoded = bytearray()
    while value >> 7:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
