"""For those who test notebooks and programs that call services: servers on this machine that go wrong as asked."""

from nbkit.testing import faults
from nbkit.testing.dify_server import Call, DifyServer

__all__ = ["Call", "DifyServer", "faults"]
