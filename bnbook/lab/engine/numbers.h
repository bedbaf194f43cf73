/* What the engine computes with: four numbers at a time, exp, log, random numbers. */

#include <wasm_simd128.h>

typedef float v4 __attribute__((vector_size(16)));
typedef int i4 __attribute__((vector_size(16)));
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

/* Kernels are inlined where they are called, with sizes known, and their inner loops unrolled as
   far as sums fit into registers: without that a step takes more than twice as long. */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define NO_UNROLL _Pragma("clang loop unroll(disable)")

INLINE v4 splat(float x) { return (v4){x, x, x, x}; }
INLINE float total(v4 x) { return (x[0] + x[1]) + (x[2] + x[3]); }
INLINE v4 choose(i4 mask, v4 x) { return (v4)(mask & (i4)x); }

/* At most, at least; a number that is none stays so. */
INLINE v4 most(v4 x, float high) { return (v4)wasm_f32x4_pmin((v128_t)x, (v128_t)splat(high)); }
INLINE v4 least(v4 x, float low) { return (v4)wasm_f32x4_pmax((v128_t)x, (v128_t)splat(low)); }

/* The next whole number at or below. */
INLINE i4 whole(v4 x) { return (i4)wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_floor((v128_t)x)); }

/* e^x = 2^n e^r with |r| <= log(2) / 2, to one unit in the last place: log(2) in two parts, and
   the polynomial of degree 6 with the least relative error of those that start with 1 + r. Beyond
   -87 and 88, where a float ends, the value at that end: sigmoid and softmax see no difference. */
INLINE v4 exp4(v4 x) {
  x = least(most(x, 88), -87);
  v4 t = x * 1.44269504f + 12582912; /* 1.5 * 2^23: its last bits are now the nearest n */
  v4 n = t - 12582912;
  v4 r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  v4 p = r * 1.38146e-3f + 8.368724e-3f;
  p = p * r + 4.166839e-2f;
  p = p * r + 1.6666521e-1f;
  p = p * r + 4.9999994e-1f;
  p = p * (r * r) + r + 1;
  return p * (v4)(((i4)t << 23) + (127 << 23));
}

/* log(m 2^e) = e log(2) + 2 artanh((m - 1) / (m + 1)) with m near 1; x positive and normal. */
static double log_(double x) {
  union {
    double value;
    u64 bits;
  } m = {x};
  int e = (int)(m.bits >> 52) - 1023;
  m.bits = (m.bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  if (m.value > 1.4142135623730951) m.value /= 2, e++;
  double s = (m.value - 1) / (m.value + 1), sum = 0;
  for (int k = 13; k > 0; k -= 2) sum = sum * s * s + 1.0 / k;
  return e * 0.6931471805599453 + 2 * s * sum;
}

/* ---- random numbers ---------------------------------------------------------------------- */

typedef struct {
  u32 state[624];
  int next;
} Twister;

/* The Mersenne Twister (Matsumoto & Nishimura 1998) of torch.Generator. */
static void seed_twister(Twister *t, u32 seed) {
  for (int i = 0; i < 624; i++) {
    t->state[i] = seed;
    seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
  }
  t->next = 624;
}

static u32 draw(Twister *t) {
  if (t->next == 624) {
    for (int i = 0; i < 624; i++) {
      u32 y = (t->state[i] & 0x80000000u) | (t->state[(i + 1) % 624] & 0x7fffffffu);
      t->state[i] = t->state[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->next = 0;
  }
  u32 y = t->state[t->next++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}
