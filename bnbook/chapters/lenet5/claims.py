"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "E1",
        "On MNIST, batch norm makes LeNet-5 converge faster and end better.",
        "LeNet-5, ReLU, max-pooling, SGD 0.01 with momentum 0.9, 50 epochs, one run each",
    ),
    Claim(
        "E2",
        "And so it does on SVHN. (The run that is called SVHN without batch norm in fact has it.)",
        "the same recipe",
    ),
)
