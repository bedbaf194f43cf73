"""What the sources claim that this chapter tries."""

from bnbook.findings.claims import Claim

CLAIMS = (
    Claim(
        "C2",
        "0.05 and 4 are the lowest and the highest learning rate at which LeNet without "
        "batch norm still trains within 10 epochs.",
        "LeNet with padding 2; learning rates 4, 2, 1, 0.5, 0.1 and 0.05 tried; 10 epochs",
        {"lowest": 0.05, "highest": 4.0},
        "learning rate",
    ),
    Claim(
        "C3",
        "Batch norm helps early training and makes it more robust to the learning rate.",
        "the same six learning rates; one curve each",
    ),
    Claim(
        "C4",
        "The main benefit of batch norm is that it permits larger learning rates, which lead to "
        "flatter minima that generalize better; a small experiment agrees.",
        "cited from Bjorck et al. (2018); the curves of C3",
    ),
    Claim(
        "D5",
        "Batch norm makes training less sensitive to the initialization and the learning rate.",
    ),
)
