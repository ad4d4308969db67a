"""What is called: `owner/alias[/path]`, `workflows/owner/name`, `local/…`, `dify/<connection>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nbkit.errors import InputError

NAMESPACES = ("workflows", "comfy")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*")
_LEGACY = re.compile(r"([0-9]+)-([A-Za-z0-9-]+)")
_PAGE = re.compile(r"https?://(?:www\.)?(?:fal\.ai/models|fal\.run|queue\.fal\.run)/(?P<id>[^?#]+)")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a model or workflow at its provider.

    Attributes:
        namespace: `workflows`, `comfy` or an empty string.
        owner: Who published it (`fal-ai`, `local`, `dify`).
        alias: Its name. Empty only for `workflows/execute`, which runs a graph sent along.
        path: What follows the alias, without slashes at its ends, or an empty string.
    """

    namespace: str
    owner: str
    alias: str
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read an endpoint id as people write it.

        Raises:
            InputError: The text is not an endpoint id.
        """
        if not isinstance(text, str):
            raise InputError(f"an endpoint is a string, not {type(text).__name__}", field="endpoint")
        name = text.strip().strip("/")
        if legacy := _LEGACY.fullmatch(name):
            name = f"{legacy[1]}/{legacy[2]}"
        segments = name.split("/")
        namespace = segments.pop(0) if segments[0] in NAMESPACES else ""
        ad_hoc = namespace == "workflows" and segments == ["execute"]
        named = ad_hoc or len(segments) >= len(("owner", "alias"))
        if not named or len(name) > _LONGEST or not all(map(_SEGMENT.fullmatch, segments)):
            raise InputError(f"{text[:80]!r} is not an endpoint", field="endpoint", hint=_advice(text))
        owner, alias, *path = [*segments, ""] if ad_hoc else segments
        return cls(namespace, owner, alias, "/".join(path))

    @property
    def app(self) -> str:
        """The id without its path: what status, result and cancel addresses are made of."""
        return "/".join(part for part in (self.namespace, self.owner, self.alias) if part)

    @property
    def provider(self) -> str:
        """Who answers it: `local`, `dify` or `fal`."""
        own = self.owner if not self.namespace else ""
        return own if own in ("local", "dify") else "fal"

    @property
    def is_workflow(self) -> bool:
        """Whether it is a graph of steps, whose stream tells `submit`, `completion` and `output`."""
        return self.namespace == "workflows"

    def __str__(self) -> str:
        return f"{self.app}/{self.path}" if self.path else self.app


def _advice(text: str) -> str:
    if page := _PAGE.match(text):
        return f"write the id alone: {page['id'].strip('/')[:80]}"
    return "write owner/name, for example fal-ai/flux/schnell or local/collage"
