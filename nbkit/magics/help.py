"""What `%%generate?` shows."""

from __future__ import annotations

from nbkit.magics.grammar import OPTIONS
from nbkit.magics.known import DEFAULT_WITH_KEY, DEFAULT_WITHOUT_KEY

_OPTIONS = "\n".join(f"    {f'{option.flag} {option.value}'.strip():<14} {option.help}" for option in OPTIONS)

_TEXT = """\
Send a prompt to a model or workflow; its pictures and values become the cell's output.

    %%generate [ENDPOINT] [OPTIONS]
    the prompt, word for word

    %generate [ENDPOINT] [OPTIONS] the prompt, in one line

ENDPOINT may be a short name that `%nbkit alias` gave. Without one, a setting decides (`%nbkit config`), else <with key>
answers where there is a key for fal, and <without key> on this machine where there is none.

Options, on the first line:

<options>

In the text, {{name}}, {{name.attribute}} and {{name[0]}} take variables of the notebook. Lines `key: value`
above a line `---` are further input: numbers, true, false, null, "quoted text", JSON lists and objects;
anything else is text. A value that is one {{name}} and nothing else may be a picture, a path, or an earlier
result.

With --sweep, lists `[…]`, ranges such as 4-20 (+4) or 0-1 [5], and prompts between lines `***` are axes: every
combination of their values is run once. A list that is one value is written [[…]]. `seeds: 3` runs each with 3 seeds.

Examples:

    %%generate local/collage -n 2 --seed 7 --as beach
    a cat and a red balloon on a beach at sunset

    %%generate local/upscale
    image_url: {{beach.images[0]}}
    upscale_factor: 4
    ---

    %generate local/collage a cat on a beach

    %%generate fal-ai/flux/schnell -p image_size={"width": 768, "height": 512} --background --as run
    a lighthouse at night

    %%generate local/collage --sweep --as beaches
    seed: 1-4
    format: ["png", "jpeg"]
    ---
    a cat on a beach
"""

GENERATE = (
    _TEXT.replace("<options>", _OPTIONS)
    .replace("<with key>", DEFAULT_WITH_KEY)
    .replace("<without key>", DEFAULT_WITHOUT_KEY)
)
