"""A user's own weights: pipelines in diffusers' format, run from their folder with torch."""

from nbkit.engines.diffusion.drawing import BLOCK, Drawing, Wish, draw
from nbkit.engines.diffusion.pipelines import OWN_SCHEDULER, SCHEDULERS, Pipeline, loaded

__all__ = ["BLOCK", "OWN_SCHEDULER", "SCHEDULERS", "Drawing", "Pipeline", "Wish", "draw", "loaded"]
