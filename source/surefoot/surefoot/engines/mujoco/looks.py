"""What only pictures need: set in the model of an environment that is looked at, absent in training."""

import mujoco

SHADOW_SIZE = 2048
"""px, side of the shadow map. mjlab's 8192 takes Mesa's software renderer 1.5 s a frame, this 0.2 s."""


def dress(spec: mujoco.MjSpec) -> None:
    """Give a scene a sky and shadows that a CPU can draw."""
    spec.visual.quality.shadowsize = SHADOW_SIZE
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.55, 0.7, 0.85),
        rgb2=(0.9, 0.94, 0.97),
        width=256,
        height=256,
    )
    for light in spec.lights:
        # A directional light's shadow map covers a square about the origin and leaves stripes at its edge.
        if light.type == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL:
            light.castshadow = False
