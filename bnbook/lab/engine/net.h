/* A net, the data, and the room that a pass takes. */

enum {
  LANES = 4,
  LAYERS = 5, /* conv1, conv2, fc1, fc2, out */
  SLOTS = 4,  /* all but the last layer are followed by a norm, an activation, perhaps a pooling */
  OUT = 4,
  CONVOLUTIONS = 2,
  SIDE = 28,
  PIXELS = SIDE * SIDE,
  CLASSES = 10,
  WIDEST = 120, /* features */
  FEATURES = 6 + 16 + 120 + 84,
  WEIGHTS = 150 + 2400 + 30720 + 10080 + 840,
  MAX_PARAMETERS = WEIGHTS + FEATURES + CLASSES + 2 * FEATURES,
  MAX_IMAGES = 5000,
  MAX_BATCH = 512,
  REESTIMATE_BATCH = 1000, /* images per pass that statistics are re-estimated with */
  EVALUATION_BATCH = 40,   /* images per pass of evaluation; few enough to stay in the cache */
  PROBE_SIZE = 256,
  TRAIN_GROUPS = MAX_BATCH / LANES,
  GROUPS = REESTIMATE_BATCH / LANES,
  MAX_NETS = 8,
  BINS = 64,
};

enum { NONE, BATCH, MEAN, VARIANCE }; /* the norms of bnbook/norms.py */

static const double EPS = 1e-5;
static const float MOMENTUM = 0.1f, RANGE = 8;

/* Of each layer: features out, side of a feature's plane, numbers in and out that Xavier's bound
   counts, weights; of each slot: where its features start among those of all slots. */
static const int features[LAYERS] = {6, 16, 120, 84, 10};
static const int side[LAYERS] = {24, 8, 1, 1, 1};
static const int fan_in[LAYERS] = {25, 150, 256, 120, 84};
static const int fan_out[LAYERS] = {150, 400, 120, 84, 10};
static const int weights[LAYERS] = {150, 2400, 30720, 10080, 840};
static const int first[SLOTS] = {0, 6, 22, 142};

typedef struct {
  float mean[FEATURES], var[FEATURES];
} Statistics;

/* Where a layer's parameters start, in PyTorch's order; -1 where it has none. */
typedef struct {
  int weight, bias, gamma, beta;
} Place;

/* What is learned: 1 or 0 each. hidden: weights and biases of all layers but the last, whose own
   are the head. */
typedef struct {
  int hidden, head, gamma, beta;
} Learned;

typedef struct {
  int used, batch_size, relu;
  float momentum, decay;
  Learned learned;
  int kind[SLOTS];
  Place place[LAYERS];
  int count; /* of parameters */
  int steps;
  float parameters[MAX_PARAMETERS], gradients[MAX_PARAMETERS];
  float velocity[MAX_PARAMETERS]; /* of what is learned, where there is momentum or decay */
  Statistics running;
  Twister twister;
  u32 order[MAX_IMAGES];
} Net;

static Net nets[MAX_NETS];

/* The data: pixels 0..15, the training images first; and what a net last took each for. */
static u8 pixels[MAX_IMAGES * PIXELS], labels[MAX_IMAGES], answers[MAX_IMAGES];
static int images, train_images;

/* One pass; nothing here outlives a call from outside. z: before the norm. a: after the activation;
   on the way back, the gradient of the loss in the norm's result, then in z. h: what the next layer
   sees. dh: the gradient in h. */
static v4 input[PIXELS];
static v4 z0[GROUPS * 6 * 576], z1[GROUPS * 16 * 64], z2[GROUPS * 120], z3[GROUPS * 84];
static v4 z4[GROUPS * CLASSES];
static v4 a0[TRAIN_GROUPS * 6 * 576], a1[TRAIN_GROUPS * 16 * 64];
static v4 h0[GROUPS * 6 * 144], h1[GROUPS * 256], h2[GROUPS * 120], h3[GROUPS * 84];
static v4 dh0[TRAIN_GROUPS * 6 * 144], dh1[TRAIN_GROUPS * 256];
static v4 dh2[TRAIN_GROUPS * 120], dh3[TRAIN_GROUPS * 84], dh4[TRAIN_GROUPS * CLASSES];
static v4 *const z[LAYERS] = {z0, z1, z2, z3, z4};
static v4 *const a[LAYERS] = {a0, a1, h2, h3, dh4};
static v4 *const h[SLOTS] = {h0, h1, h2, h3};
static v4 *const dh[SLOTS] = {dh0, dh1, dh2, dh3};

/* Per image, the sum of a plane and of the squares of its deviations from the plane's mean. */
static v4 sums[GROUPS * 16], squares[GROUPS * 16];
static v4 kernel_sums[2400]; /* a convolution's weight gradient, by lane */

/* Per feature: the batch's statistics; the norm as y = (z - centre) gain + shift, with gain =
   gamma scale; and the way back, dz = (dy - dy_mean) gain - (z - mean) pull. */
static Statistics batch;
static float centre[FEATURES], scale[FEATURES], gain[FEATURES], shift[FEATURES];
static float dy_mean[FEATURES], pull[FEATURES];

INLINE int groups_of(int count) { return (count + LANES - 1) / LANES; }
INLINE int area_of(int layer) { return side[layer] * side[layer]; }

/* ---- initialization --------------------------------------------------------------------- */

/* bnbook.streams.stream_seed; `kind` is 0 for weights, 1 for the order. */
static u32 stream_seed(u32 seed, int slot, int kind) { return 10000 * seed + 10 * slot + kind; }

/* torch.nn.init.xavier_uniform_: 24 bits of each draw, scaled to the bound. */
static void fill_xavier(float *w, int layer, u32 seed) {
  Twister t;
  seed_twister(&t, stream_seed(seed, layer, 0));
  float bound = __builtin_sqrt(6.0 / (fan_in[layer] + fan_out[layer]));
  for (int i = 0; i < weights[layer]; i++) {
    w[i] = (draw(&t) & 0xffffff) * (1.0f / (1 << 24)) * (bound + bound) - bound;
  }
}

/* torch.randperm */
static void shuffle(Net *net) {
  for (int i = 0; i < train_images; i++) net->order[i] = i;
  for (int i = 0; i < train_images - 1; i++) {
    u32 j = i + draw(&net->twister) % (train_images - i), moved = net->order[i];
    net->order[i] = net->order[j];
    net->order[j] = moved;
  }
}
