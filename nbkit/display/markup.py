"""Building HTML so that nothing gets in unescaped.

Only inline styles: pages that do not trust a notebook drop style sheets, ids and scripts, and the card must
look the same there. Colours are translucent greys and mid tones that read well on light and dark themes.
"""

from __future__ import annotations

from nbkit.display.escape import Markup, clean, escape

# Keeps mathematics out: a price in a prompt is no formula.
NO_MATHEMATICS = "mathjax_ignore tex2jax_ignore"
LINE = "1px solid rgba(128,128,128,.3)"
FAINT = "opacity:.65"
MONOSPACE = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px"
# Jupyter gives code a background and an own size; inside a quiet line both are noise.
_CODE = f"{MONOSPACE};background:transparent;color:inherit;padding:0;user-select:all"
_PREFORMATTED = (
    f"{MONOSPACE};line-height:1.5;margin:4px 0 0;padding:8px 10px;border:{LINE};border-radius:4px;"
    "background:transparent;color:inherit;white-space:pre-wrap;overflow-wrap:anywhere;max-height:320px;"
    "overflow:auto"
)
_SUMMARY = f"cursor:pointer;{FAINT}"
_VOID = ("img", "br")


def element(tag: str, *children: object, **attributes: str | int | None) -> Markup:
    """An HTML element. Children and attribute values are escaped; attributes that are None are left out.

    In attribute names an underscore at the end is dropped (`class_`), others become hyphens (`aria_hidden`).
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*parts: object) -> Markup:
    """Pieces of a page, one after the other; text among them is escaped."""
    return Markup("".join(map(escape, parts)))


def faint(*children: object) -> Markup:
    """Words that stand back."""
    return element("span", *children, style=FAINT)


def code(value: object) -> Markup:
    """Something to be copied as it is; one click selects it where the page allows."""
    return element("code", value, style=_CODE)


def preformatted(value: object) -> Markup:
    """Lines that keep their breaks, in a box that scrolls when they are many."""
    return element("pre", value, style=_PREFORMATTED)


def folded(title: str, content: Markup) -> Markup:
    """Something that opens on a click."""
    return element("details", element("summary", title, style=_SUMMARY), content, style="margin-top:6px")


def anchor(href: str, *children: object) -> Markup:
    """A link that opens beside the notebook. `href` must have passed `nbkit.display.escape.link`."""
    return element("a", *children, href=href, target="_blank", rel="noopener noreferrer")


def clipped(value: object, limit: int = 160, longest: int = 20_000) -> Markup:
    """Text of which only the beginning shows when it is longer than `limit` characters.

    Beyond `longest` characters it is cut for good, and says so.
    """
    text = clean(value)
    if len(text) <= limit:
        return escape(text)
    rest = f"\n… {len(text) - longest:,} more characters" if len(text) > longest else ""
    summary = element("summary", f"{text[:limit].rstrip()} …", style="cursor:pointer;overflow-wrap:anywhere")
    return element("details", summary, preformatted(text[:longest] + rest))
