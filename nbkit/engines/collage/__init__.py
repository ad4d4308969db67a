"""Text to image without a neural network: a painted place and OpenMoji sprites that match the prompt."""

from nbkit.engines.collage.composer import ATTRIBUTION, Collage, compose

__all__ = ["ATTRIBUTION", "Collage", "compose"]
