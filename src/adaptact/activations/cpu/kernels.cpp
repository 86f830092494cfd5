// SG-Blend, SSwish and Swish on a CPU: one pass forward, one backward for the gradients of the input and of all scalars.
//
// Compiled once per machine by kernels.py; plain C++, so that this takes a second or two. Both halves share their
// exponentials with the derivatives:
//   sigmoid(z)  from e = exp(-|z|) as 1 / (1 + e) or e / (1 + e), which also gives 1 - sigmoid(z) without cancellation;
//   Phi(x)      from c = exp(-x^2 / 2), which the density needs too: Phi(-a) = c t P(t) with t = 1 / (1 + p a), P fitted
//               (minimax, relative error 3e-8 for a up to 14) in the manner of Abramowitz and Stegun 7.1.26.
// Sums are taken per piece of fixed size and added in a fixed order: results do not depend on the number of threads.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#define INLINE __attribute__((always_inline)) inline  // into the loops that are to be vectorised

namespace {

constexpr int64_t PIECE = 4096;  // elements summed in float32 before they join a float64 sum
constexpr int64_t ROWS = 64;     // the same where channels come last: rows
constexpr float LOG2E = 1.44269504088896341f;
constexpr float ROUND = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
constexpr float DENSITY = 0.398942280401432678f, SLOPE = 1.702f;
constexpr float TANH_A = 1.59576912160573071f, TANH_B = 0.0713548162726002527f;  // 2 sqrt(2 / pi), times 0.044715

INLINE float load(const float* p) { return *p; }
INLINE void store(float* p, float v) { *p = v; }
struct bfloat16 { uint16_t bits; };
INLINE float load(const bfloat16* p) {
  uint32_t bits = uint32_t(p->bits) << 16;
  float v;
  std::memcpy(&v, &bits, 4);
  return v;
}
INLINE void store(bfloat16* p, float v) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &v, 4);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  p->bits = uint16_t(v == v ? rounded : 0x7fc0u);
}

// 2^v for v <= 0, relative error 1e-7; 0 below -126
INLINE float exp2_negative(float v) {
  const float shifted = v + ROUND, f = v - (shifted - ROUND);
  float p = 1.535325724e-04f;  // 2^f for |f| up to a half: minimax, relative error 2e-9
  p = p * f + 1.339900368e-03f;
  p = p * f + 9.618438606e-03f;
  p = p * f + 5.550332162e-02f;
  p = p * f + 2.402264790e-01f;
  p = p * f + 6.931472030e-01f;
  p = p * f + 1.0f;
  int32_t exponent, bits;
  std::memcpy(&exponent, &shifted, 4);
  std::memcpy(&bits, &p, 4);
  bits += int32_t(uint32_t(exponent) << 23);  // the low bits of shifted are the whole number
  std::memcpy(&p, &bits, 4);
  return v < -126.0f ? 0.0f : p;
}

enum Form { NONE, TANH, SIGMOID, ABSENT };  // of GELU

struct Sigmoid { float s, q; };  // sigmoid(z) and 1 - sigmoid(z)
INLINE Sigmoid sigmoid(float z, float e, float r) { return {z < 0 ? e * r : r, z < 0 ? r : e * r}; }
INLINE float minus_abs(float z) { return -std::fabs(z); }

// Phi(x) from c = exp(-x^2 / 2) and t = 1 / (1 + 0.34 |x|)
INLINE float normal(float x, float c, float t) {
  float p = -2.612070435e-02f;
  p = p * t + 1.395004954e-01f;
  p = p * t + -2.731345907e-01f;
  p = p * t + 2.021845305e-01f;
  p = p * t + -4.471956515e-02f;
  p = p * t + 1.153595680e-01f;
  p = p * t + 1.151975716e-01f;
  p = p * t + 1.361122068e-01f;
  p = p * t + 1.356205030e-01f;
  const float tail = c * t * p;
  return x < 0 ? tail : 1.0f - tail;
}
INLINE float bell(float x) { return exp2_negative(-0.5f * LOG2E * x * x); }
INLINE float below_t(float x) {
  const float a = std::fabs(x);
  return 1.0f + 0.34f * (a > 64.0f ? 64.0f : a);
}

struct At { Sigmoid swish; float gelu, gelu_slope; };  // sigmoid(beta x), GELU(x) and its derivative

template <int form>
INLINE At at(float x, float beta) {
  const float z = beta * LOG2E * x, e = exp2_negative(minus_abs(z)), d = 1.0f + e;
  if (form == ABSENT) return {sigmoid(z, e, 1.0f / d), 0.0f, 0.0f};
  // divisions are dear: one serves both halves
  if (form == NONE) {
    const float other = below_t(x), r = 1.0f / (d * other), c = bell(x), phi = normal(x, c, r * d);
    return {sigmoid(z, e, r * other), x * phi, phi + x * c * DENSITY};
  }
  const float square = x * x > 4096.0f ? 4096.0f : x * x;  // finite where the sigmoid has long been 0 or 1
  const float u = form == TANH ? x * (TANH_A + TANH_B * square) : SLOPE * x;
  const float u_slope = form == TANH ? TANH_A + 3.0f * TANH_B * square : SLOPE;
  const float e2 = exp2_negative(minus_abs(LOG2E * u)), other = 1.0f + e2, r = 1.0f / (d * other);
  const Sigmoid g = sigmoid(u, e2, r * d);
  return {sigmoid(z, e, r * other), x * g.s, g.s + x * g.s * g.q * u_slope};
}

// Functions without parameters, for blends of two of them: value and slope.
enum Function { IDENTITY, RELU, SILU, GELU };
struct Value { float y, slope; };

template <int function>
INLINE Value of(float x) {
  if (function == IDENTITY) return {x, 1.0f};
  if (function == RELU) return {x < 0 ? 0.0f : x, x > 0 ? 1.0f : 0.0f};
  if (function == SILU) {
    const Sigmoid s = at<ABSENT>(x, 1.0f).swish;
    return {x * s.s, s.s + x * s.s * s.q};
  }
  const float c = bell(x), phi = normal(x, c, 1.0f / below_t(x));
  return {x * phi, phi + x * c * DENSITY};
}

struct Scalars { float alpha, beta, gamma; };   // of one layer or one channel
struct Sums { float alpha, beta, gamma; };      // what one element adds to their gradients

// y = f(x), and for the gradient g at y: that at x, and the terms of the scalars' gradients.
template <int form>
INLINE float value(float x, Scalars of) {
  if (form == NONE) {  // two short divisions run beside each other, where the product of both waits for everything
    const float z = of.beta * LOG2E * x, e = exp2_negative(minus_abs(z)), r = 1.0f / (1.0f + e);
    const float phi = normal(x, bell(x), 1.0f / (1.0f + 0.34f * std::fabs(x)));
    return x * (phi + of.alpha * ((z < 0 ? e * r : r) - phi)) - of.alpha * of.gamma;
  }
  const At here = at<form>(x, of.beta);
  const float sswish = x * here.swish.s - of.gamma;
  return form == ABSENT ? sswish : of.alpha * sswish + (1.0f - of.alpha) * here.gelu;
}

template <int form>
INLINE Sums slopes(float g, float x, Scalars of, float& grad_x) {
  const At here = at<form>(x, of.beta);
  const float x_slope = x * here.swish.s * here.swish.q;  // first times s: a huge input never meets its own square
  const float slope = here.swish.s + of.beta * x_slope;
  grad_x = form == ABSENT ? g * slope : of.alpha * (g * slope) + (1.0f - of.alpha) * g * here.gelu_slope;
  if (form == ABSENT) return {0.0f, g * (x * x_slope), -g};
  return {g * (x * here.swish.s - of.gamma - here.gelu), of.alpha * (g * (x * x_slope)), -of.alpha * g};
}

// Bounded: alpha is clamped to [0, 1], and its gradient blocked where descent would lead further out.
// Swapped: the functions stand in the other order, so that the first has the weight 1 - alpha.
struct Parameters {
  const float *alpha, *beta, *gamma;
  bool bounded, swapped;
  std::vector<float> weights(int64_t channels) const {  // of the first function, once per channel and not per element
    std::vector<float> found(alpha, alpha + channels);
    for (float& a : found) {
      if (bounded) a = a < 0.0f ? 0.0f : a > 1.0f ? 1.0f : a;
      if (swapped) a = 1.0f - a;
    }
    return found;
  }
};
struct PerChannel {
  const float *weight, *beta, *gamma;
  INLINE Scalars at(int64_t c) const { return {weight[c], beta[c], gamma[c]}; }
};

struct Shape {  // (outer, channels, inner), dense
  int64_t outer, channels, inner;
  int threads;
  bool last() const { return inner == 1 && channels > 1; }
  int64_t per_row() const { return (inner + PIECE - 1) / PIECE; }
  int64_t pieces() const { return last() ? (outer + ROWS - 1) / ROWS : outer * channels * per_row(); }
};

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// body(index, scalars of its channel) for all elements. Each piece has a copy: what threads share stays in memory.
template <class Body>
void for_each(Shape shape, Parameters of, Body shared) {
  const int64_t channels = shape.channels, inner = shape.inner, per_row = shape.per_row(), pieces = shape.pieces();
  const std::vector<float> weights = of.weights(channels);
  const PerChannel all{weights.data(), of.beta, of.gamma};
#pragma omp parallel for schedule(static) num_threads(shape.threads) if (shape.threads > 1)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const Body body = shared;
    const PerChannel mine = all;
    if (shape.last()) {
      for (int64_t row = piece * ROWS; row < smaller((piece + 1) * ROWS, shape.outer); ++row) {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) body(row * channels + c, mine.at(c));
      }
    } else {
      const int64_t row = piece / per_row, skipped = (piece % per_row) * PIECE, begin = row * inner + skipped;
      const int64_t count = smaller(inner - skipped, PIECE);
      const Scalars scalars = mine.at(row % channels);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) body(begin + i, scalars);
    }
  }
}

// The same for a body that returns terms; sums: those of alpha, beta and gamma, by channel.
template <class Body>
void sum_each(Shape shape, Parameters of, float* sums, Body shared) {
  const int64_t channels = shape.channels, inner = shape.inner, per_row = shape.per_row(), pieces = shape.pieces();
  const int64_t width = shape.last() ? 3 * channels : 3;
  std::vector<float> partial(pieces * width, 0.0f);
  const std::vector<float> weights = of.weights(channels);
  const PerChannel all{weights.data(), of.beta, of.gamma};
#pragma omp parallel for schedule(static) num_threads(shape.threads) if (shape.threads > 1)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const Body body = shared;
    const PerChannel mine = all;
    float* __restrict into = partial.data() + piece * width;
    if (shape.last()) {
      float *__restrict alpha = into, *__restrict beta = into + channels, *__restrict gamma = into + 2 * channels;
      for (int64_t row = piece * ROWS; row < smaller((piece + 1) * ROWS, shape.outer); ++row) {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          const Sums add = body(row * channels + c, mine.at(c));
          alpha[c] += add.alpha;
          beta[c] += add.beta;
          gamma[c] += add.gamma;
        }
      }
    } else {
      const int64_t row = piece / per_row, skipped = (piece % per_row) * PIECE, begin = row * inner + skipped;
      const int64_t count = smaller(inner - skipped, PIECE);
      const Scalars scalars = mine.at(row % channels);
      float alpha = 0.0f, beta = 0.0f, gamma = 0.0f;
#pragma omp simd reduction(+ : alpha, beta, gamma)
      for (int64_t i = 0; i < count; ++i) {
        const Sums add = body(begin + i, scalars);
        alpha += add.alpha;
        beta += add.beta;
        gamma += add.gamma;
      }
      into[0] = alpha;
      into[1] = beta;
      into[2] = gamma;
    }
  }
  std::vector<double> total(3 * channels, 0.0);
  for (int64_t piece = 0; piece < pieces; ++piece)
    for (int64_t k = 0; k < width; ++k)
      total[shape.last() ? k : k * channels + (piece / per_row) % channels] += partial[piece * width + k];
  for (int64_t k = 0; k < 3 * channels; ++k) sums[k] = float(total[k]);
  for (int64_t c = 0; of.swapped && c < channels; ++c) sums[c] = -sums[c];
  for (int64_t c = 0; of.bounded && c < channels; ++c)
    if ((of.alpha[c] <= 0.0f && sums[c] > 0.0f) || (of.alpha[c] >= 1.0f && sums[c] < 0.0f)) sums[c] = 0.0f;
}

template <int form, class T>
void forward(const T* x, T* y, Parameters of, Shape shape) {
  for_each(shape, of, [=](int64_t i, Scalars here) __attribute__((always_inline)) { store(y + i, value<form>(load(x + i), here)); });
}

template <int form, class T>
void backward(const T* g, const T* x, T* grad_x, Parameters of, float* sums, Shape shape) {
  sum_each(shape, of, sums, [=](int64_t i, Scalars here) __attribute__((always_inline)) {
    float grad;
    const Sums add = slopes<form>(load(g + i), load(x + i), here, grad);
    store(grad_x + i, grad);
    return add;
  });
}

template <class T>
void choose_forward(int form, const T* x, T* y, Parameters of, Shape shape) {
  if (form == NONE) forward<NONE>(x, y, of, shape);
  if (form == TANH) forward<TANH>(x, y, of, shape);
  if (form == SIGMOID) forward<SIGMOID>(x, y, of, shape);
  if (form == ABSENT) forward<ABSENT>(x, y, of, shape);
}

template <class T>
void choose_backward(int form, const T* g, const T* x, T* grad_x, Parameters of, float* sums, Shape shape) {
  if (form == NONE) backward<NONE>(g, x, grad_x, of, sums, shape);
  if (form == TANH) backward<TANH>(g, x, grad_x, of, sums, shape);
  if (form == SIGMOID) backward<SIGMOID>(g, x, grad_x, of, sums, shape);
  if (form == ABSENT) backward<ABSENT>(g, x, grad_x, of, sums, shape);
}

// alpha * first(x) + (1 - alpha) * second(x)
template <int first, int second, class T>
void pair(const T* x, T* y, Parameters of_site, Shape shape) {
  for_each(shape, of_site, [=](int64_t i, Scalars here) __attribute__((always_inline)) {
    const float v = load(x + i);
    store(y + i, here.alpha * of<first>(v).y + (1.0f - here.alpha) * of<second>(v).y);
  });
}

template <int first, int second, class T>
void pair_backward(const T* g, const T* x, T* grad_x, Parameters of_site, float* sums, Shape shape) {
  sum_each(shape, of_site, sums, [=](int64_t i, Scalars here) __attribute__((always_inline)) {
    const float grad = load(g + i), v = load(x + i);
    const Value a = of<first>(v), b = of<second>(v);
    store(grad_x + i, grad * (here.alpha * a.slope + (1.0f - here.alpha) * b.slope));
    return Sums{grad * (a.y - b.y), 0.0f, 0.0f};
  });
}

// For each pair of functions its instance; the second has the higher number.
#define EACH_PAIR(call)                                             \
  if (first == IDENTITY && second == RELU) call<IDENTITY, RELU> OF; \
  if (first == IDENTITY && second == SILU) call<IDENTITY, SILU> OF; \
  if (first == IDENTITY && second == GELU) call<IDENTITY, GELU> OF; \
  if (first == RELU && second == SILU) call<RELU, SILU> OF;         \
  if (first == RELU && second == GELU) call<RELU, GELU> OF;         \
  if (first == SILU && second == GELU) call<SILU, GELU> OF;

template <class T>
void choose_pair(int first, int second, const T* x, T* y, Parameters of_site, Shape shape) {
#define OF (x, y, of_site, shape)
  EACH_PAIR(pair)
#undef OF
}

template <class T>
void choose_pair_backward(int first, int second, const T* g, const T* x, T* grad_x, Parameters of_site, float* sums,
                          Shape shape) {
#define OF (g, x, grad_x, of_site, sums, shape)
  EACH_PAIR(pair_backward)
#undef OF
}

}  // namespace

// half: bfloat16, else float32. alpha, beta, gamma and sums are float32, one per channel; sums has three rows.
#define SHAPE int64_t outer, int64_t channels, int64_t inner, int threads
#define PARAMETERS const float *alpha, const float *beta, const float *gamma, int bounded
#define GIVEN Parameters{alpha, beta, gamma, bounded != 0, swapped}
#define DENSE Shape{outer, channels, inner, threads}
extern "C" {

void adaptact_forward(int form, int half, const void* x, void* y, PARAMETERS, SHAPE) {
  const bool swapped = false;
  if (half) choose_forward(form, (const bfloat16*)x, (bfloat16*)y, GIVEN, DENSE);
  else choose_forward(form, (const float*)x, (float*)y, GIVEN, DENSE);
}

void adaptact_backward(int form, int half, const void* g, const void* x, void* grad_x, float* sums, PARAMETERS, SHAPE) {
  const bool swapped = false;
  if (half) choose_backward(form, (const bfloat16*)g, (const bfloat16*)x, (bfloat16*)grad_x, GIVEN, sums, DENSE);
  else choose_backward(form, (const float*)g, (const float*)x, (float*)grad_x, GIVEN, sums, DENSE);
}

void adaptact_pair(int first, int second, int half, const void* x, void* y, PARAMETERS, SHAPE) {
  const bool swapped = first > second;
  if (swapped) std::swap(first, second);
  if (half) choose_pair(first, second, (const bfloat16*)x, (bfloat16*)y, GIVEN, DENSE);
  else choose_pair(first, second, (const float*)x, (float*)y, GIVEN, DENSE);
}

void adaptact_pair_backward(int first, int second, int half, const void* g, const void* x, void* grad_x, float* sums,
                            PARAMETERS, SHAPE) {
  const bool swapped = first > second;
  if (swapped) std::swap(first, second);
  if (half)
    choose_pair_backward(first, second, (const bfloat16*)g, (const bfloat16*)x, (bfloat16*)grad_x, GIVEN, sums, DENSE);
  else
    choose_pair_backward(first, second, (const float*)g, (const float*)x, (float*)grad_x, GIVEN, sums, DENSE);
}
}
