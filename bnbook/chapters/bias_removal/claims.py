"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import ONE_RUN, Claim

CLAIMS = (
    Claim(
        "C1",
        "Biases before batch norm can be left out: test accuracies stay close.",
        ONE_RUN,
        {
            # The post's switch is inverted; these are the nets that its code in fact built.
            "no hidden biases": 0.9821,
            "no biases in conv": 0.9869,
            "no biases in linear": 0.9824,
        },
    ),
)
