"""Pictures before they are done: latents turned to colours by a straight line, which costs next to nothing.

The autoencoder itself would need as long as a step. What its latents mean in colours is measured once, on a picture
made for that: each colour is fitted as a sum of the channels.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from nbkit.engines.diffusion.libraries import Libraries

_SIDE = 256  # pixels of the picture that is measured
_PATCHES = 8  # of one colour, along each of its sides


@dataclass(frozen=True)
class Decoder:
    """Shows latents of one autoencoder.

    Attributes:
        colours: How much red, green and blue each channel adds, and in the last row what is there without any.
        scale: Pixels to a latent, along each side.
    """

    colours: Any
    scale: int

    def picture(self, latents: Any, size: tuple[int, int] | None = None) -> Image.Image | None:
        """Show latents in the size of the picture, None where they are not laid out as one.

        Args:
            latents: Of one picture: 1 × channels × rows × columns, or packed as for FLUX, where four in a square
                are one of 4 · channels: 1 × squares × 4 · channels.
            size: Width and height of the picture in pixels; a square where it is not given.
        """
        from PIL import Image

        values = self._plain(latents[0].detach().float().cpu(), size)
        if values is None:
            return None
        # Noise is stronger than a picture, how much depends on the scheduler; latents that are done are about 1 strong.
        values = values / values.std().clamp(min=1)
        colours = values.permute(1, 2, 0) @ self.colours[:-1] + self.colours[-1]
        small = Image.fromarray((colours.nan_to_num() * 255).clamp(0, 255).byte().numpy())
        return small.resize((small.width * self.scale, small.height * self.scale), Image.Resampling.BICUBIC)

    def _plain(self, values: Any, size: tuple[int, int] | None) -> Any:
        """Latents as channels × rows × columns, None where they are neither that nor packed."""
        channels = len(self.colours) - 1
        match tuple(values.shape):
            case (first, _, _) if first == channels:
                return values
            case (squares, packed) if packed == 4 * channels:
                width, height = size or (2 * self.scale * math.isqrt(squares),) * 2
                rows, columns = height // (2 * self.scale), width // (2 * self.scale)
                if rows * columns != squares:
                    return None
                apart = values.view(rows, columns, channels, 2, 2).permute(2, 0, 3, 1, 4)
                return apart.reshape(channels, 2 * rows, 2 * columns)
        return None


def fit(libraries: Libraries, autoencoder: Any) -> Decoder | None:
    """Measure what an autoencoder's latents mean in colours; None for kinds that are not known."""
    torch, diffusers = libraries
    if not isinstance(autoencoder, diffusers.AutoencoderKL):
        return None
    enlarge = torch.nn.functional.interpolate
    patches = torch.rand(1, 3, _PATCHES, _PATCHES, generator=torch.Generator().manual_seed(0))
    picture = enlarge(patches, (_SIDE, _SIDE), mode="bicubic").clamp(0, 1)
    config = autoencoder.config
    exact = copy.deepcopy(autoencoder).float()  # some overflow in half precision
    with torch.no_grad():
        encoded = exact.encode((picture * 2 - 1).to(exact.device)).latent_dist.mode().cpu()
    latents = (encoded - (config.shift_factor or 0)) * config.scaling_factor
    rows, columns = latents.shape[-2:]
    shown = enlarge(picture, (rows, columns), mode="area")[0].flatten(1).T
    measured = torch.cat([latents[0].flatten(1).T, torch.ones(rows * columns, 1)], dim=1)
    return Decoder(torch.linalg.lstsq(measured, shown).solution, _SIDE // columns)
