"""Exercises of chapter 14."""

from bnbook import models, training
from bnbook.chapters.lenet5.experiments import LAB_SESSION
from bnbook.lab.exercises import Choice, Number, Numbers

_IMAGES, _BATCH = 48_001, 128


def _added_by_color() -> int:
    run = LAB_SESSION.arms["without BN"]
    gray, color = (
        models.parameter_count(training.build(run, (channels, 32, 32))) for channels in (1, 3)
    )
    return color - gray


EXERCISES = (
    Numbers(
        id="what-color-costs",
        title="What color costs",
        text="""
            The sheet repeats MNIST's gray values in three channels. Does that let the net compute
            anything that it could not compute before? Enter how many parameters it adds to LeNet-5,
            compared with one channel and the same padding.
            """,
        numbers=(
            Number(
                _added_by_color,
                near={
                    150: "Two channels are added, not one.",
                    450: "That is all of the layer's weights. With one channel it has some, too.",
                    50: "That is for one filter. The layer has six.",
                    306: "The biases are the same.",
                },
            ),
        ),
        hints=(
            """Only one layer sees the channels. Each of its 6 filters has 5 by 5 weights per
            channel.""",
            "Count the weights of conv1 with 1 and with 3 channels.",
        ),
        answer=r"""
            $6 \cdot 25 \cdot 2 = 300$ more. It computes nothing new: three equal channels with
            filters $w_1, w_2, w_3$ do what one channel does with $w_1 + w_2 + w_3$. Training is not
            the same, though. The sum of three weights moves three times as far in one step as one
            weight would, so that the first layer has three times the learning rate.
            """,
    ),
    Choice(
        id="the-sheets-loss",
        title="Reading the sheet's loss",
        text="""
            Two students print the loss as the sheet does. The first takes batches of 128, the
            second batches of 32, and the second's curve ends three times as high. Who has the lower
            loss?
            """,
        choices={
            "The first": """Three times as high, but divided by a batch size four times as
                small.""",
            "The second": "Whose batches are larger, and what does that do to what is printed?",
            "Neither": "The two factors are not the same.",
        },
        right="The first" if 128 < 3 * 32 else "The second",
        hints=(
            "What is printed is the mean loss divided by the batch size. Undo the division.",
            "If the first curve ends at $a$, the second ends at $3a$. Multiply each by its batch.",
        ),
        answer=r"""
            The second. Let the first curve end at $a$. The first student's mean loss is $128\,a$,
            the second's is $32 \cdot 3\,a = 96\,a$: lower, although its curve is three times as
            high.
            """,
    ),
    Numbers(
        id="the-last-batch",
        title="The last batch",
        text="""
            With 48,001 images and batches of 128, the sheet drops the last, incomplete batch of
            each epoch. Why would a batch norm net be in trouble if it did not drop them? Enter how
            many images an epoch leaves out.
            """,
        numbers=(
            Number(
                _IMAGES % _BATCH,
                near={
                    _IMAGES // _BATCH: "That is how many full batches there are.",
                    _BATCH: "A batch of 128 would be full.",
                    0: "128 times 375 is 48,000.",
                },
            ),
        ),
        hints=("Divide with remainder.", "And what is the variance of one number?"),
        answer=r"""
            $48\,001 = 375 \cdot 128 + 1$: 1 image. A batch of one has, after the linear layers, one
            value per feature. Its variance is 0, and normalizing leaves nothing but $\beta$;
            PyTorch's layer refuses. The sheet's own layer takes the unbiased standard deviation of
            one number, which is 0 divided by 0. One such step would fill the net with NaN.
            """,
    ),
)
