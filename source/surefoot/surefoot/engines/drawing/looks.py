"""What only pictures need: sky, light and the look of the ground."""

import mujoco

SHADOW_SIZE = 2048
"""px, side of the shadow map. mjlab's 8192 takes Mesa's software renderer 1.5 s a frame, this 0.2 s."""

GROUND = "ground"
"""Name of the ground's body, geometry, height field, texture and material."""


def empty_scene() -> mujoco.MjSpec:
    """A chequered ground without an edge, a sky and light, as mjlab's scenes have them."""
    spec = mujoco.MjSpec()
    headlight = spec.visual.headlight
    headlight.diffuse, headlight.ambient, headlight.specular = (0.6,) * 3, (0.3,) * 3, (0.0,) * 3
    spec.visual.rgba.haze = (0.86, 0.9, 0.94, 1.0)
    spec.visual.quality.shadowsize = SHADOW_SIZE
    spec.stat.meansize = 0.03
    spec.stat.extent = 4.0  # m; clipping planes and shadows follow it, not the size of the ground
    # A directional light's shadow map covers a square about the origin and leaves stripes at its edge.
    directional = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    spec.worldbody.add_light(name="sun", pos=(0.0, 0.0, 1.5), type=directional, castshadow=False)
    _add_textures(spec)
    spec.worldbody.add_body(name=GROUND).add_geom(
        name=GROUND, type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0.0, 0.0, 0.01), material=GROUND
    )
    return spec


def _add_textures(spec: mujoco.MjSpec) -> None:
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.55, 0.7, 0.85),
        rgb2=(0.9, 0.94, 0.97),
        width=256,
        height=256,
    )
    spec.add_texture(
        name=GROUND,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        mark=mujoco.mjtMark.mjMARK_EDGE,
        rgb1=(0.74, 0.77, 0.8),  # light: the robots are dark
        rgb2=(0.62, 0.66, 0.7),
        markrgb=(0.5, 0.54, 0.58),
        width=300,
        height=300,
    )
    material = spec.add_material(name=GROUND, texuniform=True, texrepeat=(4.0, 4.0))
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = GROUND
