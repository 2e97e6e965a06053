"""Rough ground without a simulator: terrain classes, tiles in one height grid, lookups, levels."""

from surefoot.terrain.layout import TerrainLayout
from surefoot.terrain.tiles import Tile, TileGeometry, tile_heights

__all__ = ["TerrainLayout", "Tile", "TileGeometry", "tile_heights"]
