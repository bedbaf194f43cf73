/* The engine of the lab on the page: trains the LeNet of bnbook/models.py as bnbook/training.py
   does, on one thread, without any library.

   Four images travel side by side, one in each lane of a SIMD register. A `v4` is therefore one
   number of four images, and a tensor `(batch, features, height, width)` is an array of groups of
   four images: `[group][feature][row][column]`. Where a batch does not fill its last group, its
   last image stands in, and backward() takes care that it counts for nothing.

   All operations are among those that WebAssembly fixes to the last bit (no relaxed SIMD, an exp
   and a log of its own), so that a seed gives the same curve on every machine.

   `make engine` compiles this into engine.wasm; engine.js wraps it. */

#include "numbers.h"

#include "layers.h"
#include "net.h"
#include "pass.h"

#define EXPORT(name) __attribute__((export_name(#name)))

/* ---- evaluation ------------------------------------------------------------------------- */

static struct {
  double loss;
  int correct, running;
} evaluation;

/* The first of the largest logits; what is no number counts as largest, as in torch.argmax. */
static int answer(const v4 *logits, int lane) {
  int best = 0;
  for (int c = 1; c < CLASSES; c++) {
    float x = logits[c][lane], y = logits[best][lane];
    if (y == y && !(x <= y)) best = c;
  }
  return best;
}

/* Count the validation images that the net gets right; set the mean loss. */
static int validate(const Net *net, const Statistics *s) {
  int correct = 0;
  evaluation.loss = 0;
  for (int start = train_images; start < images; start += EVALUATION_BATCH) {
    u32 list[EVALUATION_BATCH];
    int count = images - start < EVALUATION_BATCH ? images - start : EVALUATION_BATCH;
    for (int i = 0; i < count; i++) list[i] = start + i;
    forward(net, list, count, s, 0);
    evaluation.loss += cross_entropy(list, count);
    for (int i = 0; i < count; i++) {
      answers[list[i]] = answer(z4 + i / LANES * CLASSES, i % LANES);
      correct += answers[list[i]] == labels[list[i]];
    }
  }
  evaluation.loss /= images - train_images;
  return correct;
}

/* bnbook.norms.reestimate: the mean of the batches' statistics over the training images. */
static void reestimate(const Net *net, Statistics *s) {
  u32 list[REESTIMATE_BATCH];
  int size = train_images < REESTIMATE_BATCH ? train_images : REESTIMATE_BATCH;
  reset(s);
  for (int start = 0, k = 1; start + size <= train_images; start += size, k++) {
    for (int i = 0; i < size; i++) list[i] = start + i;
    forward(net, list, size, 0, 0);
    track(net, s, size, 1.0f / k);
  }
}

/* ---- probe ------------------------------------------------------------------------------ */

/* Before a norm, after it, after the activation: mean squares and counts of values by bin (the
   last one for what is no number). Of the gradients of weights and biases: l2 norms. After the
   activation and of the logits: the share of the mean square that differs from image to image. */
static struct {
  double square[SLOTS][3];
  double weight_norm[LAYERS], bias_norm[LAYERS], image_share[LAYERS];
  u32 bins[SLOTS][3][BINS + 1];
} seen;

INLINE void look(v4 x, int lanes, double *square, u32 *bins) {
  v4 place = most(least(x * (BINS / (2 * RANGE)), -BINS / 2), BINS / 2 - 1);
  i4 bin = whole(place) + BINS / 2;
  for (int i = 0; i < lanes; i++) {
    bins[x[i] == x[i] ? bin[i] : BINS]++;
    *square += (double)x[i] * x[i];
  }
}

static void look_at_slot(int slot, int count) {
  int n = features[slot], area = area_of(slot);
  double *square = seen.square[slot];
  for (int i = 0; i < groups_of(count) * n * area; i++) {
    int left = count - i / (n * area) * LANES, lanes = left < LANES ? left : LANES;
    v4 x = z[slot][i];
    look(x, lanes, &square[0], seen.bins[slot][0]);
    look(normed(x, first[slot] + i / area % n), lanes, &square[1], seen.bins[slot][1]);
    look(a[slot][i], lanes, &square[2], seen.bins[slot][2]);
  }
  for (int k = 0; k < 3; k++) square[k] /= (double)count * n * area;
}

/* bnbook.training.image_shares: of what lies in x, the mean of each number's variance over the
   images, as a share of the mean square. */
static double image_share(const v4 *x, int size, int count) {
  double variance = 0, square = 0;
  int last = groups_of(count) - 1, left = count - last * LANES;
  i4 used = (i4){0, 1, 2, 3} < (i4){left, left, left, left};
  for (int i = 0; i < size; i++) {
    v4 sum = {0}, squares = {0}, deviations = {0};
    for (int g = 0; g <= last; g++) {
      v4 value = g < last ? x[g * size + i] : choose(used, x[g * size + i]);
      sum += value, squares += value * value;
    }
    v4 mean = splat(total(sum) / count);
    for (int g = 0; g <= last; g++) {
      v4 deviation = x[g * size + i] - mean;
      if (g == last) deviation = choose(used, deviation);
      deviations += deviation * deviation;
    }
    variance += total(deviations), square += total(squares);
  }
  return variance / (count - 1) / (square / count);
}

static double norm(const float *x, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += (double)x[i] * x[i];
  return __builtin_sqrt(sum);
}

/* ---- what JavaScript calls -------------------------------------------------------------- */

EXPORT(pixels) u8 *pixels_(void) { return pixels; }
EXPORT(labels) u8 *labels_(void) { return labels; }
EXPORT(capacity) int capacity(void) { return MAX_IMAGES; }
EXPORT(setData) void set_data(int count, int train) { images = count, train_images = train; }

/* Return a net with its initial weights, or null where all places are taken. `kinds`: two bits per
   slot; from `hidden` to `beta`: what is learned. */
EXPORT(create)
Net *create(int kinds, int hidden, int head, int gamma, int beta, int conv_bias, int linear_bias,
            int relu, float momentum, float decay, int batch_size, u32 seed) {
  Net *net = nets;
  while (net->used) {
    if (++net == nets + MAX_NETS) return 0;
  }
  net->used = 1, net->steps = 0, net->batch_size = batch_size, net->relu = relu;
  net->momentum = momentum, net->decay = decay;
  net->learned = (Learned){hidden, head, gamma, beta};
  for (int i = 0; i < MAX_PARAMETERS; i++) {
    net->parameters[i] = net->gradients[i] = net->velocity[i] = 0;
  }
  int count = 0;
  for (int layer = 0; layer < LAYERS; layer++) {
    int kind = layer < SLOTS ? (kinds >> (2 * layer)) & 3 : NONE, n = features[layer];
    int has_bias = layer == OUT || (layer < CONVOLUTIONS ? conv_bias : linear_bias);
    Place *at = &net->place[layer];
    if (layer < SLOTS) net->kind[layer] = kind;
    at->weight = count, count += weights[layer];
    at->bias = has_bias ? count : -1, count += has_bias ? n : 0;
    at->gamma = kind ? count : -1, count += kind ? n : 0;
    at->beta = kind ? count : -1, count += kind ? n : 0;
    fill_xavier(net->parameters + at->weight, layer, seed);
    for (int i = 0; kind && i < n; i++) net->parameters[at->gamma + i] = 1;
  }
  net->count = count;
  reset(&net->running);
  seed_twister(&net->twister, stream_seed(seed, 0, 1));
  return net;
}

EXPORT(destroy) void destroy(Net *net) { net->used = 0; }

static void accelerate(Net *net, int start, int n) {
  for (int i = start; i < start + n; i++) {
    float slope = net->gradients[i] + net->decay * net->parameters[i];
    net->velocity[i] = net->momentum * net->velocity[i] + slope;
  }
}

/* What a step goes along: the gradients or, as in torch.optim.SGD, their decaying sum with what
   weight decay adds to those of all that is learned. */
static const float *direction(Net *net) {
  if (!net->momentum && !net->decay) return net->gradients;
  for (int layer = 0; layer < LAYERS; layer++) {
    const Place *at = &net->place[layer];
    int n = features[layer], biases = at->bias < 0 ? 0 : n;
    if (layer == OUT ? net->learned.head : net->learned.hidden) {
      accelerate(net, at->weight, weights[layer] + biases);
    }
    if (at->gamma >= 0 && net->learned.gamma) accelerate(net, at->gamma, n);
    if (at->beta >= 0 && net->learned.beta) accelerate(net, at->beta, n);
  }
  return net->velocity;
}

/* One step of SGD on the next batch of the epoch's order, an incomplete last batch dropped.
   Returns the loss before the step. */
EXPORT(step) float step(Net *net, float lr) {
  int count = net->batch_size, at = net->steps % (train_images / count);
  if (at == 0) shuffle(net);
  const u32 *list = net->order + at * count;
  forward(net, list, count, 0, 1);
  double loss = cross_entropy(list, count);
  backward(net, list, count, &net->learned, net->gradients);
  track(net, &net->running, count, MOMENTUM);
  const float *along = direction(net);
  for (int i = 0; i < net->count; i++) net->parameters[i] -= lr * along[i];
  net->steps++;
  return loss / count;
}

EXPORT(evaluate) void *evaluate(const Net *net) {
  Statistics precise;
  evaluation.running = evaluation.correct = validate(net, &net->running);
  if (net->kind[0] || net->kind[1] || net->kind[2] || net->kind[3]) {
    reestimate(net, &precise);
    evaluation.correct = validate(net, &precise);
  }
  return &evaluation;
}

/* bnbook.training.probe, and how the values are spread: over BINS bins from -RANGE to RANGE, the
   outer ones with all beyond. Weights and biases have their gradients even where they are fixed. */
EXPORT(probe) void *probe(const Net *net) {
  static const Learned all = {1, 1, 1, 1};
  static float gradients[MAX_PARAMETERS];
  u32 list[PROBE_SIZE];
  int count = train_images < PROBE_SIZE ? train_images : PROBE_SIZE;
  for (int i = 0; i < count; i++) list[i] = i;
  __builtin_memset(&seen, 0, sizeof seen);
  forward(net, list, count, 0, 1);
  for (int slot = 0; slot < SLOTS; slot++) {
    look_at_slot(slot, count);
    seen.image_share[slot] = image_share(a[slot], features[slot] * area_of(slot), count);
  }
  seen.image_share[OUT] = image_share(z4, CLASSES, count);
  cross_entropy(list, count);
  backward(net, list, count, &all, gradients);
  for (int layer = 0; layer < LAYERS; layer++) {
    const Place *at = &net->place[layer];
    seen.weight_norm[layer] = norm(gradients + at->weight, weights[layer]);
    seen.bias_norm[layer] =
        at->bias < 0 ? __builtin_nan("") : norm(gradients + at->bias, features[layer]);
  }
  return &seen;
}

/* FNV-1a over the bits of all parameters; what is no number has many bit patterns, all alike
   here. */
EXPORT(hash) u64 hash(const Net *net) {
  u64 sum = 0xcbf29ce484222325ull;
  for (int i = 0; i < net->count; i++) {
    union {
      float value;
      u32 bits;
    } p = {net->parameters[i]};
    if (p.value != p.value) p.bits = 0x7fc00000;
    for (int b = 0; b < 32; b += 8) sum = (sum ^ ((p.bits >> b) & 0xff)) * 0x100000001b3ull;
  }
  return sum;
}

EXPORT(answers) u8 *answers_(void) { return answers; }
EXPORT(parameters) float *parameters(Net *net) { return net->parameters; }
EXPORT(gradients) float *gradients(Net *net) { return net->gradients; }
EXPORT(order) u32 *order(Net *net) { return net->order; }
EXPORT(count) int count_parameters(const Net *net) { return net->count; }
EXPORT(steps) int steps(const Net *net) { return net->steps; }
EXPORT(gammaAt) int gamma_at(const Net *net, int slot) { return net->place[slot].gamma; }
EXPORT(betaAt) int beta_at(const Net *net, int slot) { return net->place[slot].beta; }
EXPORT(exp) float exp_(float x) { return exp4(splat(x))[0]; }
EXPORT(log) double log_e(double x) { return log_(x); }
