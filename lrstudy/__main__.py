"""``python -m lrstudy`` is the command ``lrstudy``."""

from study.cli import main

main()
