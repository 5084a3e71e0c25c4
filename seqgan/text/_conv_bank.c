/* Gradient of max over time of a convolution, from the winning windows alone.
 *
 *     top[b, f] = max_t y[t, b, f],   y[t, b, f] = sum_{j, e} x[b, t + j, e] w[j, e, f]
 *
 * Only the window that won sends a gradient back, so of the n windows a dense product multiplies by
 * one nonzero and n - 1 zeros. Here each winner is one scaled addition to its row of d_w and to its
 * stretch of d_x. Features go in blocks that are transposed on the way in and out, so that
 * additions run over contiguous memory which stays in the first- and second-level caches; x and d_x
 * are (B, T, E) for the same reason: a window is one piece, and rows 16 KB apart would share the
 * same few places of the cache.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

/* Sixteen floats at a time, wherever they lie; compilers turn them into what the processor has. */
#define LANES 16
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define BLOCK 16 /* features transposed together: a cache line */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* Sixteen floats at a time, wherever they lie; compilers turn them into what the processor has. */
#define LANES 16
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* d_w += g x and d_x += g w. */
FOR_EACH_PROCESSOR
static void add(long size, float g, const float *restrict x, const float *restrict w,
                float *restrict d_x, float *restrict d_w)
{
    long i = 0;
    for (; i + LANES <= size; i += LANES) {
        *(Lanes *)(d_w + i) += g * *(const Lanes *)(x + i);
        *(Lanes *)(d_x + i) += g * *(const Lanes *)(w + i);
    }
    for (; i < size; i++) {
        d_w[i] += g * x[i];
        d_x[i] += g * w[i];
    }
}

/* share[b, f]: what each winning window of a block of features passes back. Windows that tie for the
 * maximum, as repeated words make them, share the gradient. */
FOR_EACH_PROCESSOR
static void find_shares(const float *restrict y, const float *restrict top,
                        const float *restrict up, float *restrict share, long n, long batch,
                        long features, long first, long count)
{
    for (long b = 0; b < batch; b++) {
        float ties[BLOCK] = {0};
        const float *y_b = y + b * features + first, *top_b = top + b * features + first;
        for (long t = 0; t < n; t++)
            for (long f = 0; f < count; f++)
                ties[f] += y_b[t * batch * features + f] == top_b[f];
        for (long f = 0; f < count; f++)
            share[b * BLOCK + f] = up[b * features + first + f] / ties[f];
    }
}

static void add_winners(const float *x, const float *y, const float *top, const float *share,
                        float *d_x, const float *w, float *d_w, long n, long batch, long length,
                        long embedding, long features, long size, long count)
{
    for (long b = 0; b < batch; b++)
        for (long f = 0; f < count; f++) {
            float g = share[b * BLOCK + f], best = top[b * features + f];
            if (g == 0)
                continue;
            for (long t = 0; t < n; t++)
                if (y[(t * batch + b) * features + f] == best) {
                    long at = (b * length + t) * embedding;
                    add(size, g, x + at, w + f * size, d_x + at, d_w + f * size);
                }
        }
}

static int backward(const float *x, const float *w, const float *y, const float *top,
                    const float *up, float *d_x, float *d_w, long n, long batch, long length,
                    long embedding, long features)
{
    long size = (length - n + 1) * embedding;
    float *packed = aligned_alloc(64, (2 * size + batch) * BLOCK * sizeof(float));
    if (!packed)
        return -1;
    float *sums = packed + BLOCK * size, *share = sums + BLOCK * size;
    for (long first = 0; first < features; first += BLOCK) {
        long count = features - first < BLOCK ? features - first : BLOCK;
        for (long i = 0; i < size; i++)
            for (long f = 0; f < count; f++)
                packed[f * size + i] = w[i * features + first + f];
        memset(sums, 0, BLOCK * size * sizeof(float));
        find_shares(y, top, up, share, n, batch, features, first, count);
        add_winners(x, y + first, top + first, share, d_x, packed, sums, n, batch, length,
                    embedding, features, size, count);
        for (long i = 0; i < size; i++)
            for (long f = 0; f < count; f++)
                d_w[i * features + first + f] = sums[f * size + i];
    }
    free(packed);
    return 0;
}

static PyObject *py_gradients(PyObject *self, PyObject *arguments)
{
    unsigned long long x, w, y, top, up, d_x, d_w;
    long n, batch, length, embedding, features;
    int failed;
    if (!PyArg_ParseTuple(arguments, "KKKKKKKlllll", &x, &w, &y, &top, &up, &d_x, &d_w, &n, &batch,
                          &length, &embedding, &features))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = backward((const float *)x, (const float *)w, (const float *)y, (const float *)top,
                      (const float *)up, (float *)d_x, (float *)d_w, n, batch, length, embedding,
                      features);
    Py_END_ALLOW_THREADS
    if (failed)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"gradients", py_gradients, METH_VARARGS,
     "gradients(x, w, y, top, up, d_x, d_w, n, batch, length, embedding, features), by address"},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_conv_bank", NULL, -1, methods};

PyMODINIT_FUNC PyInit__conv_bank(void) { return PyModule_Create(&module); }
