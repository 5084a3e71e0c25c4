/* One dense layer of a small network, forwards and backwards, in float32 by one thread.
 *
 *     y = x W^T + b,  perhaps tanh of it;    d_b = sum g,  d_W = g^T x,  d_x = (g W) (1 - x^2)
 *
 * Matrices of some hundred rows and 64 columns lie in the second-level cache, and what a product
 * takes is decided by its innermost loop: a tile of four rows and two vectors is summed in registers.
 * Rows go in blocks, so that what one product has read is in the first-level cache for the next.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

/* Floats that are added together. Without registers of so many, what compilers make of it is slower
 * than torch: `usable` says no, and torch computes. */
#define LANES 16
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#if defined(__x86_64__) && defined(__GNUC__)
#define PROCESSOR __attribute__((target("arch=x86-64-v4")))
#define USABLE __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
#else
#define PROCESSOR
#define USABLE 0
#endif

#define TILE 4 /* rows of a tile */
#define WIDTH (2 * LANES) /* columns of a tile */
#define BLOCK 96 /* rows that stay in the cache */

#define INLINE static inline __attribute__((always_inline))

/* What is done to a sum before it is stored. */
typedef enum { PLAIN, TANH, SLOPE } Finish;

/* A matrix: element (i, j) is at[i * row + j * column]. */
typedef struct {
    const float *at;
    long row, column;
} Matrix;

/* x P(x^2) / Q(x^2), fitted to tanh on [-9.01, 9.01] by weighted least squares: within 4e-7. */
INLINE float tanh_of(float x)
{
    x = x > 9.01f ? 9.01f : x < -9.01f ? -9.01f : x;
    float u = x * x;
    float p = x * (1.0f + u * (0.13380373f + u * (3.4948117e-3f + u * (2.0596282e-5f + u * 1.3336856e-8f))));
    float q = 1.0f + u * (0.4671369f + u * (2.5874030e-2f + u * (3.2843641e-4f + u * 7.7692869e-7f)));
    float y = p / q;
    return y > 1.0f ? 1.0f : y < -1.0f ? -1.0f : y;
}

/* A tile of c = a b + start, `rows` by `wide`; see `product`. Where they are constants, it is one loop
 * without branches. */
INLINE void tile(long rows, long wide, long n, long k, Matrix a, const float *b, long b_row, float *c,
                 const float *start, Finish finish, const float *y)
{
    Lanes sums[TILE][2];
    float part[WIDTH];
    for (long r = 0; r < rows; r++) {
        const float *from = start ? start : c + r * n;
        if (wide < WIDTH)
            memset(part, 0, sizeof part);
        memcpy(part, from, wide * sizeof(float));
        for (int v = 0; v < 2; v++)
            sums[r][v] = ((Lanes *)part)[v];
    }
    for (long l = 0; l < k; l++) {
        const Lanes *row = (const Lanes *)(b + l * b_row);
        for (long r = 0; r < rows; r++) {
            float factor = a.at[r * a.row + l * a.column];
            for (int v = 0; v < 2; v++)
                sums[r][v] += factor * row[v];
        }
    }
    for (long r = 0; r < rows; r++) {
        for (int v = 0; v < 2; v++)
            ((Lanes *)part)[v] = sums[r][v];
        if (finish == TANH)
            for (long l = 0; l < WIDTH; l++)
                part[l] = tanh_of(part[l]);
        if (finish == SLOPE)
            for (long l = 0; l < wide; l++)
                part[l] *= 1 - y[r * n + l] * y[r * n + l];
        memcpy(c + r * n, part, wide * sizeof(float));
    }
}

/* c = a b + start, (m, k) (k, n) -> (m, n): `start` is one row for all, or NULL to add to c itself.
 *
 * SLOPE multiplies by 1 - y^2, y (m, n) as c. `spare` holds k rows of WIDTH.
 */
INLINE void product(long m, long n, long k, Matrix a, const float *b, long b_row, float *c,
                    const float *start, Finish finish, const float *y, float *spare)
{
    for (long j = 0; j < n; j += WIDTH) {
        long wide = n - j < WIDTH ? n - j : WIDTH, row = b_row;
        const float *panel = b + j, *from = start ? start + j : NULL;
        if (wide < WIDTH) { /* filled up with zeros */
            memset(spare, 0, k * WIDTH * sizeof(float));
            for (long l = 0; l < k; l++)
                memcpy(spare + l * WIDTH, panel + l * b_row, wide * sizeof(float));
            panel = spare, row = WIDTH;
        }
        for (long i = 0; i < m;) {
            Matrix here = {a.at + i * a.row, a.row, a.column};
            float *out = c + i * n + j;
            const float *slope = y ? y + i * n + j : NULL;
            if (m - i >= TILE && wide == WIDTH) {
                tile(TILE, WIDTH, n, k, here, panel, row, out, from, finish, slope);
                i += TILE;
            } else {
                tile(1, wide, n, k, here, panel, row, out, from, finish, slope);
                i++;
            }
        }
    }
}

PROCESSOR
static void forward(const float *x, const float *w, const float *b, float *y, float *packed,
                    float *spare, long rows, long inputs, long outputs, int curved)
{
    for (long o = 0; o < outputs; o++)
        for (long i = 0; i < inputs; i++)
            packed[i * outputs + o] = w[o * inputs + i];
    Matrix a = {x, inputs, 1};
    if (curved)
        product(rows, outputs, inputs, a, packed, outputs, y, b, TANH, NULL, spare);
    else
        product(rows, outputs, inputs, a, packed, outputs, y, b, PLAIN, NULL, spare);
}

/* Sums of d_w (outputs, inputs), or of its transpose where that is thinner, and of d_b. */
PROCESSOR
static void backward(const float *g, const float *x, const float *w, float *d_w, float *d_b, float *d_x,
                     float *zeros, float *spare, long rows, long inputs, long outputs, int curved)
{
    for (long first = 0; first < rows; first += BLOCK) {
        long count = rows - first < BLOCK ? rows - first : BLOCK;
        const float *g_b = g + first * outputs, *x_b = x + first * inputs;
        for (long r = 0; r < count; r++)
            for (long o = 0; o < outputs; o++)
                d_b[o] += g_b[r * outputs + o];
        if (outputs <= inputs)
            product(outputs, inputs, count, (Matrix){g_b, 1, outputs}, x_b, inputs, d_w, NULL, PLAIN,
                    NULL, spare);
        else
            product(inputs, outputs, count, (Matrix){x_b, 1, inputs}, g_b, outputs, d_w, NULL, PLAIN,
                    NULL, spare);
        Matrix a = {g_b, outputs, 1};
        float *d = d_x + first * inputs;
        if (d_x && curved)
            product(count, inputs, outputs, a, w, inputs, d, zeros, SLOPE, x_b, spare);
        else if (d_x)
            product(count, inputs, outputs, a, w, inputs, d, zeros, PLAIN, NULL, spare);
    }
}

static PyObject *py_usable(PyObject *self, PyObject *none) { return PyBool_FromLong(USABLE); }

static PyObject *py_forward(PyObject *self, PyObject *arguments)
{
    unsigned long long x, w, b, y;
    long rows, inputs, outputs;
    int curved;
    if (!PyArg_ParseTuple(arguments, "KKKKlllp", &x, &w, &b, &y, &rows, &inputs, &outputs, &curved))
        return NULL;
    float *packed = malloc((outputs + WIDTH) * inputs * sizeof(float));
    if (!packed)
        return PyErr_NoMemory();
    forward((const float *)x, (const float *)w, (const float *)b, (float *)y, packed,
            packed + outputs * inputs, rows, inputs, outputs, curved);
    free(packed);
    Py_RETURN_NONE;
}

static PyObject *py_backward(PyObject *self, PyObject *arguments)
{
    unsigned long long g, x, w, d_w, d_b, d_x;
    long rows, inputs, outputs;
    int curved;
    if (!PyArg_ParseTuple(arguments, "KKKKKKlllp", &g, &x, &w, &d_w, &d_b, &d_x, &rows, &inputs,
                          &outputs, &curved))
        return NULL;
    long deep = outputs > BLOCK ? outputs : BLOCK;
    float *zeros = calloc(inputs + deep * WIDTH, sizeof(float));
    if (!zeros)
        return PyErr_NoMemory();
    backward((const float *)g, (const float *)x, (const float *)w, (float *)d_w, (float *)d_b,
             (float *)d_x, zeros, zeros + inputs, rows, inputs, outputs, curved);
    free(zeros);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"usable", py_usable, METH_NOARGS, "usable(): whether this processor has what this needs"},
    {"forward", py_forward, METH_VARARGS, "forward(x, w, b, y, rows, inputs, outputs, curved), by address"},
    {"backward", py_backward, METH_VARARGS,
     "backward(g, x, w, d_w, d_b, d_x, rows, inputs, outputs, curved), by address; sums are added to"},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_dense", NULL, -1, methods};

PyMODINIT_FUNC PyInit__dense(void) { return PyModule_Create(&module); }
