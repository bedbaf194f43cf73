"""What the sources claim that this chapter tries."""

from types import MappingProxyType

from bnbook.findings.claims import ONE_RUN, Claim

CLAIMS = (
    Claim(
        "C1",
        "C",
        "Biases before batch norm can be left out: test accuracies stay close.",
        ONE_RUN,
        MappingProxyType(
            {
                # The post's switch is inverted; these are the nets that its code in fact built.
                "no hidden biases": 0.9821,
                "no biases in conv": 0.9869,
                "no biases in linear": 0.9824,
            }
        ),
    ),
)
