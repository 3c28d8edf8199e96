"""The lab: one page to train models live, and to see what they think of a text.

Needs the extra `lab`. Nothing here is loaded by `import chainrule`.
"""

from pathlib import Path

PAGE = Path(__file__).parent / "pages" / "lab.py"
