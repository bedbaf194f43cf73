"""Formulas in HTML, as browsers draw them well."""

import re

# Browsers draw pandoc's combining hat and tilde over one letter as wide as \\widehat.
_ACCENT = re.compile(r'<mover>(<mi[^>]*>[^<]</mi>)<mo accent="true">([\u0302\u0303])</mo>')
_SPACING = {"\u0302": "\u02c6", "\u0303": "\u02dc"}
# Chromium hangs the sign of a root from what stands in it: a low letter leaves it below the line.
_ROOT = re.compile(r"<msqrt>(?!<mspace)")
# As pandoc writes the bars of a norm, they grow with all that stands in the line.
_BARS = re.compile(r'<mo stretchy="true" (form="(?:pre|post)fix">\u2016</mo>)')
_STRUT = '<msqrt><mspace height="0.7em" depth="0.22em"/>'


def mend(html: str) -> str:
    """Narrow the hats in MathML as pandoc writes it, hold up its roots, and keep bars short."""
    html = _BARS.sub(r'<mo stretchy="false" \1', html)
    return _ROOT.sub(_STRUT, _ACCENT.sub(_narrow_accent, html))


def _narrow_accent(match: re.Match[str]) -> str:
    accent = f'<mo accent="true" stretchy="false">{_SPACING[match[2]]}</mo>'
    return f'<mover accent="true">{match[1]}{accent}'
