"""The shapes of fal's queue, streams, workflows and storage."""
