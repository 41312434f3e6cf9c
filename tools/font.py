"""Cut the font of the charts out of Noto Sans CJK: `python -m tools.font NotoSansCJK-Regular.ttc`.

Debian has the file in the package fonts-noto-cjk. The program keeps Latin letters and signs, kana, full-width letters
and the kanji of JIS level 1. The result is a file of the bot, with its licence beside it.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont

FONT = Path(__file__).resolve().parent.parent / "adapters/charts/font/NotoSansCJKjp-Regular.otf"
FAMILY = "Noto Sans CJK JP"
RANGES = (
    (0x20, 0x7E),  # ASCII
    (0xA0, 0x17F),  # Latin with accents
    (0x2010, 0x2027),  # dashes, quotation marks, dots
    (0x2190, 0x2193),  # arrows
    (0x2200, 0x22FF),  # mathematical signs, where the font has them
    (0x25A0, 0x25FF),  # shapes
    (0x3000, 0x30FF),  # punctuation, kana
    (0xFF01, 0xFF9F),  # full-width letters, half-width kana
)
DROPPED = ("GPOS", "GSUB", "GDEF", "BASE", "VORG", "vhea", "vmtx")
"""Tables of vertical text, and of the choice and placement of letters."""


def wanted() -> str:
    """Return every character that is kept."""
    found = [chr(code) for first, last in RANGES for code in range(first, last + 1)]
    for row in range(16, 48):  # the kanji of JIS X 0208, level 1
        for cell in range(1, 95):
            found.append(bytes((row + 0xA0, cell + 0xA0)).decode("euc_jp", errors="ignore"))
    return "".join(found)


def cut(source: Path, goal: Path) -> None:
    """Write the part of the font that is kept."""
    fonts = TTCollection(str(source)).fonts
    font: TTFont = next(each for each in fonts if each["name"].getDebugName(1) == FAMILY)
    options = subset.Options(
        hinting=False, layout_features=[], notdef_outline=True, name_IDs=["*"], ignore_missing_unicodes=True
    )
    options.drop_tables += DROPPED
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=wanted())
    subsetter.subset(font)
    font.save(str(goal))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cut(Path(sys.argv[1]), FONT)
    print(f"{FONT}: {FONT.stat().st_size // 1024} KiB")
