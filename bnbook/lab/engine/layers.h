/* Layers with weights, forward and backward, on groups of four images. Each kernel is the plain
   sum of its definition, in an order in which few numbers travel between registers and memory. */

enum { KERNEL = 5, TAPS = KERNEL * KERNEL };

/* Convolve one group: `maps` planes out of `channels` planes of side `from`; eight columns of a
   row at a time. */
INLINE void convolve(const v4 *x, const float *w, const float *bias, v4 *y, int channels, int from,
                     int maps) {
  const int to = from - KERNEL + 1;
  for (int o = 0; o < maps; o++) {
    NO_UNROLL for (int row = 0; row < to; row++) {
      NO_UNROLL for (int column = 0; column < to; column += 8) {
        v4 sum[8];
        UNROLL for (int j = 0; j < 8; j++) sum[j] = splat(bias ? bias[o] : 0);
        const float *tap = w + o * channels * TAPS;
        NO_UNROLL for (int c = 0; c < channels; c++) {
          const v4 *at = x + (c * from + row) * from + column;
          NO_UNROLL for (int ky = 0; ky < KERNEL; ky++, tap += KERNEL, at += from) {
            UNROLL for (int kx = 0; kx < KERNEL; kx++) {
              UNROLL for (int j = 0; j < 8; j++) sum[j] += splat(tap[kx]) * at[kx + j];
            }
          }
        }
        UNROLL for (int j = 0; j < 8; j++) *y++ = sum[j];
      }
    }
  }
}

/* Add one group's part of a convolution's weight gradient to `sums`; five taps of a row at a
   time. */
INLINE void convolve_weights(const v4 *x, const v4 *dy, v4 *sums, int channels, int from,
                             int maps) {
  const int to = from - KERNEL + 1;
  for (int o = 0; o < maps; o++) {
    for (int c = 0; c < channels; c++) {
      NO_UNROLL for (int ky = 0; ky < KERNEL; ky++, sums += KERNEL) {
        const v4 *at = x + (c * from + ky) * from, *d = dy + o * to * to;
        v4 sum[KERNEL] = {0};
        NO_UNROLL for (int row = 0; row < to; row++, at += KERNEL - 1) {
          NO_UNROLL for (int column = 0; column < to; column += 2, d += 2, at += 2) {
            UNROLL for (int j = 0; j < 2; j++) {
              UNROLL for (int kx = 0; kx < KERNEL; kx++) sum[kx] += d[j] * at[j + kx];
            }
          }
        }
        UNROLL for (int kx = 0; kx < KERNEL; kx++) sums[kx] += sum[kx];
      }
    }
  }
}

/* One group of conv2's gradient in its input; a row of it at a time. */
static void convolve_back(const v4 *dy, const float *w, v4 *dx) {
  enum { CHANNELS = 6, FROM = 12, MAPS = 16, TO = FROM - KERNEL + 1 };
  for (int c = 0; c < CHANNELS; c++) {
    NO_UNROLL for (int row = 0; row < FROM; row++) {
      int low = row < TO ? 0 : row - TO + 1, high = row < KERNEL ? row : KERNEL - 1;
      v4 sum[FROM] = {0};
      NO_UNROLL for (int o = 0; o < MAPS; o++) {
        const v4 *d = dy + (o * TO + row - low) * TO;
        const float *tap = w + (o * CHANNELS + c) * TAPS + low * KERNEL;
        NO_UNROLL for (int ky = low; ky <= high; ky++, d -= TO, tap += KERNEL) {
          UNROLL for (int kx = 0; kx < KERNEL; kx++) {
            UNROLL for (int j = 0; j < TO; j++) sum[kx + j] += splat(tap[kx]) * d[j];
          }
        }
      }
      UNROLL for (int j = 0; j < FROM; j++) *dx++ = sum[j];
    }
  }
}

/* y[g][r] = bias[r] + sum over k of w[r * rs + k * ks] x[g][k], for `span` groups; two rows at a
   time. */
INLINE void multiply_groups(const v4 *x, const float *w, const float *bias, v4 *y, int rows,
                            int terms, int rs, int ks, int span) {
  NO_UNROLL for (int r = 0; r < rows; r += 2) {
    v4 sum[2][4];
    UNROLL for (int i = 0; i < 2; i++) {
      UNROLL for (int g = 0; g < span; g++) sum[i][g] = splat(bias ? bias[r + i] : 0);
    }
    const float *wk = w + r * rs;
    const v4 *xk = x;
    NO_UNROLL for (int k = 0; k < terms; k++, wk += ks, xk++) {
      UNROLL for (int g = 0; g < span; g++) {
        UNROLL for (int i = 0; i < 2; i++) sum[i][g] += splat(wk[i * rs]) * xk[g * terms];
      }
    }
    UNROLL for (int i = 0; i < 2; i++) {
      UNROLL for (int g = 0; g < span; g++) y[g * rows + r + i] = sum[i][g];
    }
  }
}

INLINE void multiply(const v4 *x, const float *w, const float *bias, v4 *y, int groups, int rows,
                     int terms, int rs, int ks) {
  for (; groups >= 4; groups -= 4, x += 4 * terms, y += 4 * rows) {
    multiply_groups(x, w, bias, y, rows, terms, rs, ks, 4);
  }
  for (; groups > 0; groups--, x += terms, y += rows) {
    multiply_groups(x, w, bias, y, rows, terms, rs, ks, 1);
  }
}

/* dw[r][k] = sum over images of dy[r] x[k]; two rows by four columns at a time. */
INLINE void multiply_weights(const v4 *x, const v4 *dy, float *dw, int groups, int rows,
                             int terms) {
  for (int r = 0; r < rows; r += 2) {
    for (int k = 0; k < terms; k += 4) {
      const v4 *d = dy + r, *at = x + k;
      v4 sum[2][4] = {0};
      NO_UNROLL for (int g = 0; g < groups; g++, d += rows, at += terms) {
        UNROLL for (int i = 0; i < 2; i++) {
          UNROLL for (int j = 0; j < 4; j++) sum[i][j] += d[i] * at[j];
        }
      }
      UNROLL for (int i = 0; i < 2; i++) {
        UNROLL for (int j = 0; j < 4; j++) dw[(r + i) * terms + k + j] = total(sum[i][j]);
      }
    }
  }
}
