/* One pass of a batch through a net: norms, forward, backward. */

/* ---- norms ------------------------------------------------------------------------------ */

static int uses_mean(int kind) { return kind == BATCH || kind == MEAN; }
static int uses_var(int kind) { return kind == BATCH || kind == VARIANCE; }

/* Sum each plane of one group of a convolution, and the squared deviations from its own mean. */
static void measure_planes(int slot, int g) {
  int area = area_of(slot), n = features[slot];
  for (int i = g * n; i < (g + 1) * n; i++) {
    const v4 *x = z[slot] + i * area;
    v4 s0 = {0}, s1 = {0}, q0 = {0}, q1 = {0};
    for (int p = 0; p < area; p += 2) s0 += x[p], s1 += x[p + 1];
    v4 mean = (s0 + s1) / (float)area;
    for (int p = 0; p < area; p += 2) {
      v4 d0 = x[p] - mean, d1 = x[p + 1] - mean;
      q0 += d0 * d0, q1 += d1 * d1;
    }
    sums[i] = s0 + s1, squares[i] = q0 + q1;
  }
}

/* Mean and biased variance of each feature over the batch: what its planes vary within, and what
   their means vary between. */
static void measure(int slot, int count) {
  int n = features[slot];
  double area = area_of(slot);
  const float *sum = (const float *)(area > 1 ? sums : z[slot]);
  const float *square = (const float *)squares;
  for (int f = 0; f < n; f++) {
    double mean = 0, within = 0, between = 0;
    for (int i = 0; i < count; i++) mean += sum[(i / LANES * n + f) * LANES + i % LANES];
    mean /= count * area;
    for (int i = 0; i < count; i++) {
      int at = (i / LANES * n + f) * LANES + i % LANES;
      double deviation = sum[at] / area - mean;
      between += deviation * deviation;
      within += area > 1 ? square[at] : 0;
    }
    batch.mean[first[slot] + f] = mean;
    batch.var[first[slot] + f] = (between + within / area) / count;
  }
}

/* Set what the norm of a slot does to each feature under the statistics `s`. */
static void prepare(const Net *net, int slot, const Statistics *s) {
  int kind = net->kind[slot];
  const Place *at = &net->place[slot];
  for (int i = 0; i < features[slot]; i++) {
    int f = first[slot] + i;
    centre[f] = uses_mean(kind) ? s->mean[f] : 0;
    scale[f] = uses_var(kind) ? 1 / __builtin_sqrt(s->var[f] + EPS) : 1;
    gain[f] = kind == NONE ? 1 : scale[f] * net->parameters[at->gamma + i];
    shift[f] = kind == NONE ? 0 : net->parameters[at->beta + i];
  }
}

/* Move `s` toward the statistics of a batch of `count` images. As in PyTorch, the variance is fed
   the unbiased estimate. */
static void track(const Net *net, Statistics *s, int count, float rate) {
  for (int slot = 0; slot < SLOTS; slot++) {
    if (net->kind[slot] == NONE) continue;
    float n = count * area_of(slot);
    for (int f = first[slot]; f < first[slot] + features[slot]; f++) {
      s->mean[f] += rate * (batch.mean[f] - s->mean[f]);
      s->var[f] += rate * (batch.var[f] * (n / (n - 1)) - s->var[f]);
    }
  }
}

static void reset(Statistics *s) {
  for (int f = 0; f < FEATURES; f++) s->mean[f] = 0, s->var[f] = 1;
}

INLINE v4 normed(v4 x, int f) { return (x - centre[f]) * gain[f] + shift[f]; }

/* ---- forward ---------------------------------------------------------------------------- */

/* Read the g-th group of a list of `count` images into input[]. */
static void read_group(const u32 *list, int count, int g) {
  const u8 *from[LANES];
  for (int i = 0; i < LANES; i++) {
    int n = g * LANES + i;
    from[i] = pixels + list[n < count ? n : count - 1] * PIXELS;
  }
  for (int p = 0; p < PIXELS; p++) {
    i4 grey = {from[0][p], from[1][p], from[2][p], from[3][p]};
    input[p] = __builtin_convertvector(grey * 17, v4) / 255;
  }
}

/* What is no number stays so, also through ReLU: the loss has to tell of it. */
INLINE v4 activation(v4 y, int relu) { return relu ? choose(~(y <= 0), y) : 1 / (1 + exp4(0 - y)); }

/* The four numbers that are pooled into one: at these places from the first one on. */
INLINE int corner(int j, int width) { return (j & 1) + (j & 2 ? width : 0); }

/* Norm, activation and, after a convolution, average pooling. Without `keep`, the activations
   before pooling overwrite each other: only backward() needs them. */
INLINE void activate_as(int slot, int groups, int keep, int relu) {
  int n = features[slot], width = side[slot], area = area_of(slot);
  const v4 *x = z[slot];
  v4 *y = a[slot], *pooled = h[slot];
  for (int i = 0; i < groups * n; i++) {
    int f = first[slot] + i % n;
    if (area == 1) {
      *y++ = activation(normed(*x++, f), relu);
      continue;
    }
    if (!keep && i % n == 0) y = a[slot];
    v4 mu = splat(centre[f]), slope = splat(gain[f]), offset = splat(shift[f]);
    for (int row = 0; row < width; row += 2, x += width, y += width) {
      for (int column = 0; column < width; column += 2, x += 2, y += 2) {
        v4 sum = splat(0);
        UNROLL for (int j = 0; j < 4; j++) {
          int at = corner(j, width);
          sum += y[at] = activation((x[at] - mu) * slope + offset, relu);
        }
        *pooled++ = sum * 0.25f;
      }
    }
  }
}

static void activate(const Net *net, int slot, int groups, int keep) {
  if (net->relu) {
    activate_as(slot, groups, keep, 1);
  } else {
    activate_as(slot, groups, keep, 0);
  }
}

/* Set z of a layer; measure its planes where a norm will ask. */
static void apply_weights(const Net *net, int layer, const u32 *list, int count) {
  const float *w = net->parameters + net->place[layer].weight;
  const float *bias = net->place[layer].bias < 0 ? 0 : net->parameters + net->place[layer].bias;
  int groups = groups_of(count);
  for (int g = 0; layer < CONVOLUTIONS && g < groups; g++) {
    if (layer == 0) {
      read_group(list, count, g);
      convolve(input, w, bias, z0 + g * 6 * 576, 1, SIDE, 6);
    } else {
      convolve(h0 + g * 6 * 144, w, bias, z1 + g * 16 * 64, 6, 12, 16);
    }
    if (net->kind[layer] != NONE) measure_planes(layer, g);
  }
  if (layer == 2) multiply(h1, w, bias, z2, groups, 120, 256, 256, 1);
  if (layer == 3) multiply(h2, w, bias, z3, groups, 84, 120, 120, 1);
  if (layer == OUT) multiply(h3, w, bias, z4, groups, CLASSES, 84, 84, 1);
}

/* Run the listed images through the net, up to the logits in z4, under the statistics `fixed` or,
   where that is null, under their own. */
static void forward(const Net *net, const u32 *list, int count, const Statistics *fixed, int keep) {
  for (int layer = 0; layer < LAYERS; layer++) {
    apply_weights(net, layer, list, count);
    if (layer == OUT) break;
    if (!fixed && net->kind[layer] != NONE) measure(layer, count);
    prepare(net, layer, fixed ? fixed : &batch);
    activate(net, layer, groups_of(count), keep);
  }
}

/* Return the sum of the images' cross-entropies; put the gradient of their mean into dh4, 0 where
   a lane is no image of its own. */
static double cross_entropy(const u32 *list, int count) {
  double loss = 0;
  for (int g = 0; g < groups_of(count); g++) {
    const v4 *logits = z4 + g * CLASSES;
    v4 *d = dh4 + g * CLASSES, top = logits[0], sum = {0};
    for (int c = 1; c < CLASSES; c++) {
      top = (v4)wasm_f32x4_pmax((v128_t)top, (v128_t)logits[c]);
    }
    for (int c = 0; c < CLASSES; c++) sum += d[c] = exp4(logits[c] - top);
    for (int c = 0; c < CLASSES; c++) d[c] /= sum;
    for (int i = 0; i < LANES; i++) {
      int n = g * LANES + i, label = n < count ? labels[list[n]] : 0;
      d[label][i] -= 1;
      for (int c = 0; c < CLASSES; c++) d[c][i] = n < count ? d[c][i] / count : 0;
      if (n < count) loss += log_(sum[i]) - ((double)logits[label][i] - top[i]);
    }
  }
  return loss;
}

/* ---- backward --------------------------------------------------------------------------- */

/* Carry the gradient through pooling and activation: from h to the norm's result, in place of the
   activations. Sum it per feature, and its product with what the norm scales: by row, by plane,
   by group, which keeps rounding small. */
INLINE void deactivate_as(int slot, int groups, int relu, v4 *dy_sum, v4 *dyz_sum) {
  int n = features[slot], width = side[slot], step = width > 1 ? 2 : 1, skip = width * (step - 1);
  float share = width > 1 ? 0.25f : 1;
  const v4 *x = z[slot], *d = dh[slot];
  v4 *y = a[slot];
  for (int i = 0; i < groups * n; i++) {
    v4 mu = splat(centre[first[slot] + i % n]), s_plane = {0}, q_plane = {0};
    for (int row = 0; row < width; row += step, x += skip, y += skip) {
      v4 s = {0}, q = {0};
      for (int column = 0; column < width; column += step, x += step, y += step) {
        v4 after = *d++ * share;
        for (int j = 0; j < step * step; j++) {
          int at = corner(j, width);
          v4 dy = relu ? choose(y[at] > 0, after) : after * (1 - y[at]) * y[at];
          s += dy, q += dy * (x[at] - mu), y[at] = dy;
        }
      }
      s_plane += s, q_plane += q;
    }
    dy_sum[i % n] += s_plane, dyz_sum[i % n] += q_plane;
  }
}

/* Set dy_mean and pull, the terms by which the batch's statistics depend on the batch (see
   bnbook.norms._BatchTransform), and the gradients of gamma and beta. */
static void deactivate(const Net *net, int slot, int count, const Learned *learned,
                       float *gradients) {
  v4 dy_sum[WIDEST] = {0}, dyz_sum[WIDEST] = {0};
  int kind = net->kind[slot];
  float n = count * area_of(slot);
  if (net->relu) {
    deactivate_as(slot, groups_of(count), 1, dy_sum, dyz_sum);
  } else {
    deactivate_as(slot, groups_of(count), 0, dy_sum, dyz_sum);
  }
  for (int i = 0; i < features[slot]; i++) {
    int f = first[slot] + i;
    float dbeta = total(dy_sum[i]), dgamma = total(dyz_sum[i]) * scale[f];
    dy_mean[f] = uses_mean(kind) ? dbeta / n : 0;
    pull[f] = uses_var(kind) ? gain[f] * scale[f] * dgamma / n : 0;
    if (kind != NONE && learned->gamma) gradients[net->place[slot].gamma + i] = dgamma;
    if (kind != NONE && learned->beta) gradients[net->place[slot].beta + i] = dbeta;
  }
}

/* Carry one group's gradient through the norm, in place; add it up per feature. */
static void denorm(const Net *net, int slot, int g, int count, v4 *sum) {
  int n = features[slot], area = area_of(slot), left = count - g * LANES;
  i4 used = (i4){0, 1, 2, 3} < (i4){left, left, left, left};
  for (int i = 0; i < n; i++) {
    int f = first[slot] + i;
    v4 mu = splat(net->kind[slot] == NONE ? 0 : batch.mean[f]), offset = splat(dy_mean[f]);
    v4 slope = splat(gain[f]), back = splat(pull[f]), s_plane = {0};
    const v4 *x = z[slot] + (g * n + i) * area;
    v4 *d = a[slot] + (g * n + i) * area;
    for (int row = 0; row < side[slot]; row++) {
      v4 s = {0};
      for (int column = 0; column < side[slot]; column++, d++, x++) {
        *d = choose(used, (*d - offset) * slope - (*x - mu) * back);
        s += *d;
      }
      s_plane += s;
    }
    sum[i] += s_plane;
  }
}

/* The gradients of what is learned, from that of the logits; 0 for all else. */
static void backward(const Net *net, const u32 *list, int count, const Learned *learned,
                     float *gradients) {
  int groups = groups_of(count);
  for (int i = 0; i < net->count; i++) gradients[i] = 0;
  for (int layer = OUT; layer >= 0; layer--) {
    const Place *at = &net->place[layer];
    const float *w = net->parameters + at->weight;
    float *dw = gradients + at->weight;
    v4 bias[WIDEST] = {0};
    int wanted = layer == OUT ? learned->head : learned->hidden;
    if (layer < OUT) deactivate(net, layer, count, learned, gradients);
    if (layer < CONVOLUTIONS) {
      for (int i = 0; i < weights[layer]; i++) kernel_sums[i] = splat(0);
    }
    for (int g = 0; g < groups; g++) {
      v4 *dz = a[layer] + g * features[layer] * area_of(layer);
      if (layer < OUT) {
        denorm(net, layer, g, count, bias);
      } else {
        for (int i = 0; i < CLASSES; i++) bias[i] += dz[i];
      }
      if (layer == 0 && wanted) {
        read_group(list, count, g);
        convolve_weights(input, dz, kernel_sums, 1, SIDE, 6);
      } else if (layer == 1) {
        if (wanted) convolve_weights(h0 + g * 6 * 144, dz, kernel_sums, 6, 12, 16);
        convolve_back(dz, w, dh0 + g * 6 * 144);
      }
    }
    if (layer < CONVOLUTIONS) {
      for (int i = 0; i < weights[layer]; i++) dw[i] = total(kernel_sums[i]);
    } else if (layer == 2) {
      if (wanted) multiply_weights(h1, a[2], dw, groups, 120, 256);
      multiply(a[2], w, 0, dh1, groups, 256, 120, 1, 256);
    } else if (layer == 3) {
      if (wanted) multiply_weights(h2, a[3], dw, groups, 84, 120);
      multiply(a[3], w, 0, dh2, groups, 120, 84, 1, 120);
    } else {
      if (wanted) multiply_weights(h3, dh4, dw, groups, CLASSES, 84);
      multiply(dh4, w, 0, dh3, groups, 84, CLASSES, 1, 84);
    }
    for (int i = 0; wanted && at->bias >= 0 && i < features[layer]; i++) {
      gradients[at->bias + i] = total(bias[i]);
    }
  }
}
