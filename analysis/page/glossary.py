"""Words of the report, each explained where the page first uses it."""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup

from search_spaces.words.glossary import TERMS

# Tags, whose attributes escape this sign, and pictures, whose texts show to a pointer alone.
_TAG = re.compile(r"<svg .*?</svg>|<[^>]*>", re.DOTALL)


def explainer() -> Callable[[Markup], Markup]:
    """A filter for the parts of one page, in their order: a part comes back with a line below for
    each of TERMS that its text uses and no part before it did."""
    left = dict(TERMS)

    def explained(html: Markup) -> Markup:
        visible = _TAG.sub(" ", html)
        first = [term for term in left if re.search(rf"\b{term}\b", visible)]
        line = Markup('<p class="quiet"><dfn>{}</dfn>: {}.</p>\n')
        return html + Markup().join(line.format(term, left.pop(term)) for term in first)

    return explained
