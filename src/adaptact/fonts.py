"""Fonts of this machine that have Japanese letters, for labels of any script."""

from __future__ import annotations

from matplotlib import font_manager

KNOWN = ("Noto Sans CJK JP", "IPAexGothic", "Yu Gothic", "Meiryo", "Hiragino Sans", "MS Gothic", "Noto Serif CJK JP")


def east_asian_fonts() -> list[str]:
    """Names of the installed ones, the best first."""
    installed = set(font_manager.get_font_names())
    return [name for name in KNOWN if name in installed]
