// A run as a script of plain PyTorch, which trains the same nets from the same initial weights to
// the same curve: one file that needs nothing of this book.

import { learns } from "./names.js";

const SLOTS = [
  { layer: "nn.Conv2d(1, 6, 5", features: 6, plane: true },
  { layer: "nn.Conv2d(6, 16, 5", features: 16, plane: true },
  { layer: "nn.Linear(256, 120", features: 120, plane: false },
  { layer: "nn.Linear(120, 84", features: 84, plane: false },
];
const ACTIVATIONS = { sigmoid: "nn.Sigmoid()", relu: "nn.ReLU()" };
const SETS = { digits: "MNIST", clothes: "FashionMNIST" };
/** @type {Record<string, string>} */
const OWN = { mean: "MeanNorm", variance: "VarianceNorm" };

/** The norms that PyTorch does not have; `_BatchNorm` brings gamma, beta and running statistics. */
const OWN_NORMS = `

class MeanNorm(nn.modules.batchnorm._BatchNorm):
    """Mean-only batch norm: gamma (x - mean) + beta."""

    def _check_input_dim(self, x):
        pass

    def forward(self, x):
        z = super().forward(x)
        if self.training:
            mean, var = moments(x)
        else:
            mean, var = self.running_mean, self.running_var
        gamma, beta, mean, var = (along(v, x) for v in (self.weight, self.bias, mean, var))
        return gamma * (x - mean) + beta


class VarianceNorm(MeanNorm):
    """Variance-only batch norm: gamma x / sqrt(var + eps) + beta."""

    def forward(self, x):
        nn.modules.batchnorm._BatchNorm.forward(self, x)  # moves the running statistics
        var = moments(x)[1] if self.training else self.running_var
        return along(self.weight, x) * x * torch.rsqrt(along(var, x) + self.eps) + along(self.bias, x)


def moments(x):
    dims = [d for d in range(x.dim()) if d != 1]
    return x.mean(dims), x.var(dims, unbiased=False)


def along(values, x):
    return values.view(1, -1, *[1] * (x.dim() - 2))
`;

const HELPERS = `

def load():
    """4,000 images to train on and 1,000 to validate with, in 16 shades of gray."""
    whole = SET("data", train=True, download=True)
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(85))
    rows = torch.cat([order[:4_000], order[50_000:51_000]])
    shades = (whole.data[rows].int() + 8) // 17 * 17
    images = shades.unsqueeze(1).float() / 255
    return images.split([4_000, 1_000]), whole.targets[rows].split([4_000, 1_000])


def initialize(net):
    """Draw each layer's weights (Xavier, uniform) from a generator of its own; biases are 0."""
    layers = [m for m in net if isinstance(m, (nn.Conv2d, nn.Linear))]
    for slot, layer in enumerate(layers):
        stream = torch.Generator().manual_seed(10_000 * SEED + 10 * slot)
        nn.init.xavier_uniform_(layer.weight, generator=stream)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def accuracy(net, images, labels):
    """On the validation images, with statistics re-estimated over the training images."""
    net = copy.deepcopy(net).train()
    for norm in net:
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over batches
    with torch.no_grad():
        for batch in images[0].split(1_000):
            net(batch)
        right = net.eval()(images[1]).argmax(1) == labels[1]
    return right.float().mean().item()


def train(net, images, labels):
    initialize(net)
    learned = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    order = torch.Generator().manual_seed(10_000 * SEED + 1)
    step = 0
    for epoch in range(1, EPOCHS + 1):
        shuffled = torch.randperm(4_000, generator=order)
        for batch in shuffled.split(BATCH)[: 4_000 // BATCH]:
            optimizer.param_groups[0]["lr"] = CHANGES.get(step, optimizer.param_groups[0]["lr"])
            net.train()
            loss = nn.functional.cross_entropy(net(images[0][batch]), labels[0][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        print(f"  epoch {epoch}: loss {loss.item():.4f}, accuracy {accuracy(net, images, labels):.3f}")
`;

/**
 * The script for a setting.
 * @param {Setting} setting
 * @param {string[]} names of its nets
 * @param {string} address of the run on the page, if it has one
 */
export function pytorchScript(setting, names, address) {
  const { lr, batch, seed, epochs, momentum, decay, changes } = setting;
  const set = SETS[setting.data];
  const own = setting.nets.some((net) => net.norms.some((norm) => norm in OWN));
  const nets = setting.nets.map((net, i) => `    ${netSource(net, "AB"[i], names[i])}`);
  const rates = changes.map((one) => `${one.step}: ${one.lr}`).join(", ");
  return `${address && `# The same run as\n# ${address}\n\n`}import copy

import torch
from torch import nn
from torchvision.datasets import ${set} as SET

LR, BATCH, SEED, EPOCHS = ${lr}, ${batch}, ${seed}, ${epochs}
MOMENTUM, DECAY = ${momentum}, ${decay}
CHANGES = {${rates}}  # of the learning rate, by step
${own ? OWN_NORMS : ""}${HELPERS}

images, labels = load()
nets = {
${nets.join("\n")}
}
for name, net in nets.items():
    print(name)
${freezing(setting.nets)}    train(net, images, labels)
`;
}

/**
 * A net's line in the table of nets.
 * @param {Net} net
 * @param {string} letter
 * @param {string} name
 */
function netSource(net, letter, name) {
  const layers = SLOTS.flatMap(({ layer, features, plane }, slot) => {
    const bias = plane ? net.convBias : net.linearBias;
    const made = [`${layer}${bias ? "" : ", bias=False"})`];
    const norm = net.norms[slot];
    if (norm === "batch") made.push(`nn.BatchNorm${plane ? 2 : 1}d(${features})`);
    else if (norm !== "none") made.push(`${OWN[norm]}(${features})`);
    made.push(ACTIVATIONS[net.activation]);
    if (plane) made.push("nn.AvgPool2d(2)");
    if (slot === 1) made.push("nn.Flatten()");
    return made;
  });
  const inside = [...layers, "nn.Linear(84, 10)"].map((one) => `        ${one},\n`).join("");
  return `"${letter}: ${name}": nn.Sequential(\n${inside}    ),`;
}

/**
 * Lines that fix what is not trained, the same for all nets or by name.
 * @param {Net[]} nets
 */
function freezing(nets) {
  const lines = nets.flatMap((net, i) => {
    const fixed = fixedIn(net);
    if (!fixed.length) return [];
    return [
      `    if name.startswith("${"AB"[i]}"):  # ${fixed.join(", ")} stay as they begin\n`,
      ...fixed.map((what) => `        ${FIX[what]}\n`),
    ];
  });
  return lines.join("");
}

const NORMS_OF = "for m in net if isinstance(m, nn.modules.batchnorm._BatchNorm)";
/** @type {Record<string, string>} */
const FIX = {
  gamma: `[m.weight.requires_grad_(False) ${NORMS_OF}]`,
  beta: `[m.bias.requires_grad_(False) ${NORMS_OF}]`,
  "the hidden layers":
    "[m.requires_grad_(False) for m in net[:-1] if isinstance(m, (nn.Conv2d, nn.Linear))]",
  "the last layer": "net[-1].requires_grad_(False)",
};

/** @param {Net} net */
function fixedIn(net) {
  const { trained } = net;
  const fixed = [];
  if (!learns(net, "gamma")) fixed.push("gamma");
  if (!learns(net, "beta")) fixed.push("beta");
  if (trained !== "all") fixed.push("the hidden layers");
  if (trained === "norm") fixed.push("the last layer");
  return fixed;
}
