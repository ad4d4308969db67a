"""How networks run here: onnxruntime on the CPU, quietly, on the cores this process may use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbkit.errors import MissingPackage

if TYPE_CHECKING:
    import onnxruntime

ERRORS_ONLY = 3


def session(model: bytes) -> onnxruntime.InferenceSession:
    """Load a network; the caller keeps it, for one load costs 0.1 s and several megabytes.

    Args:
        model: The content of an ONNX file.

    Raises:
        MissingPackage: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackage(
            f"local models need onnxruntime, which cannot be imported ({error})",
            hint="pip install 'nbkit-media[local]'",
        ) from error

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = cores()
    # Pictures come in many shapes: what is planned for one would only be memory held for the next.
    options.enable_mem_pattern = False
    # Threads that wait by spinning would take the cores from the notebook beside them.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def cores() -> int:
    """Count the cores this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 2
