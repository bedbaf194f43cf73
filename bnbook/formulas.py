"""Formulas in HTML, as browsers draw them well."""

import re

# Browsers draw pandoc's combining hat and tilde over one letter as wide as \\widehat.
_ACCENT = re.compile(r'<mover>(<mi[^>]*>[^<]</mi>)<mo accent="true">([\u0302\u0303])</mo>')
_SPACING = {"\u0302": "\u02c6", "\u0303": "\u02dc"}
# Chromium hangs the sign of a root from what stands in it: a low letter leaves it below the line.
_ROOT = re.compile(r"<msqrt>(?!<mspace)")
_STRUT = '<msqrt><mspace height="0.7em" depth="0.22em"/>'


def mend(html: str) -> str:
    """Narrow the hats in MathML as pandoc writes it, and hold up its roots."""
    return _ROOT.sub(_STRUT, _ACCENT.sub(_narrow_accent, html))


def _narrow_accent(match: re.Match[str]) -> str:
    accent = f'<mo accent="true" stretchy="false">{_SPACING[match[2]]}</mo>'
    return f'<mover accent="true">{match[1]}{accent}'
