/* Gradient of max over time of a convolution, from the winning windows alone.
 *
 *     top[b, f] = max_t y[t, b, f],   y[t, b, f] = sum_{j, e} x[b, t + j, e] w[j, e, f]
 *
 * Only the window that won sends a gradient back, so of the n windows a dense product multiplies by
 * one nonzero and n - 1 zeros. Here each winner is one scaled addition to its stretch of d_x, and one
 * to its row of d_w. Features go in blocks that are transposed on the way in and out, so that
 * additions run over contiguous memory; x and d_x are (B, T, E) for the same reason: a window is one
 * piece, and rows 16 KB apart would share the same few places of the cache. The stretch of d_x of one
 * sequence stays in the first-level cache; d_w, which does not, is summed in registers, a piece at a
 * time over all winners of a feature.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

/* Floats that are added together, wherever they lie; compilers turn them into what the processor
 * has. */
#define LANES 8
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define BLOCK 16 /* features transposed together: a cache line */
#define PIECE 8 /* vectors that are summed in registers */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* A window that won: it begins at x + at, and passes `share` back. */
typedef struct {
    long at;
    float share;
} Winner;

/* d += g w. */
static inline void add(long size, float g, const float *restrict w, float *restrict d)
{
    long i = 0;
    for (; i + LANES <= size; i += LANES)
        *(Lanes *)(d + i) += g * *(const Lanes *)(w + i);
    for (; i < size; i++)
        d[i] += g * w[i];
}

/* d_w = sum of g x over the winners of a feature, in their order. */
FOR_EACH_PROCESSOR
static void sum_up(long size, long count, const Winner *restrict winners, const float *restrict x,
                   float *restrict d_w)
{
    long i = 0;
    for (; i + PIECE * LANES <= size; i += PIECE * LANES) {
        Lanes sums[PIECE] = {{0}};
        for (long k = 0; k < count; k++) {
            const Lanes *window = (const Lanes *)(x + winners[k].at + i);
            for (int l = 0; l < PIECE; l++)
                sums[l] += winners[k].share * window[l];
        }
        for (int l = 0; l < PIECE; l++)
            ((Lanes *)(d_w + i))[l] = sums[l];
    }
    for (; i < size; i++) {
        float sum = 0;
        for (long k = 0; k < count; k++)
            sum += winners[k].share * x[winners[k].at + i];
        d_w[i] = sum;
    }
}

/* What the windows of a sequence that won for a feature pass back, where the first of them begins,
 * and how many there are: windows that tie, as repeated words make them, share the gradient. */
typedef struct {
    float share[BLOCK];
    int first[BLOCK], ties[BLOCK];
} Won;

FOR_EACH_PROCESSOR
static void find_winners(const float *restrict y, const float *restrict top,
                         const float *restrict up, Won *restrict won, long n, long batch,
                         long features, long count)
{
    for (long b = 0; b < batch; b++) {
        int first[BLOCK] = {0}, ties[BLOCK] = {0};
        const float *y_b = y + b * features, *top_b = top + b * features;
        for (int t = n - 1; t >= 0; t--)
            for (long f = 0; f < count; f++) {
                int equal = y_b[t * batch * features + f] == top_b[f];
                ties[f] += equal;
                first[f] = equal ? t : first[f];
            }
        for (long f = 0; f < count; f++) {
            won[b].share[f] = up[b * features + f] / ties[f];
            won[b].first[f] = first[f];
            won[b].ties[f] = ties[f];
        }
    }
}

/* Add the winners of a block to d_x, and list those of each feature, `room` places apart. */
FOR_EACH_PROCESSOR
static void add_winners(const float *restrict y, const float *restrict top, const Won *restrict won,
                        float *restrict d_x, const float *restrict w, Winner *restrict winners,
                        long *restrict found, long room, long batch, long length, long embedding,
                        long features, long size, long count)
{
    memset(found, 0, BLOCK * sizeof(long));
    for (long b = 0; b < batch; b++)
        for (long f = 0; f < count; f++) {
            float g = won[b].share[f], best = top[b * features + f];
            if (g == 0)
                continue;
            for (long t = won[b].first[f], left = won[b].ties[f]; left; t++)
                if (y[(t * batch + b) * features + f] == best) {
                    long at = (b * length + t) * embedding;
                    add(size, g, w + f * size, d_x + at);
                    winners[f * room + found[f]++] = (Winner){at, g};
                    left--;
                }
        }
}

static int backward(const float *x, const float *w, const float *y, const float *top,
                    const float *up, float *d_x, float *d_w, long n, long batch, long length,
                    long embedding, long features)
{
    long size = (length - n + 1) * embedding, room = n * batch, found[BLOCK];
    float *packed = aligned_alloc(64, 2 * size * BLOCK * sizeof(float)), *sums = packed + BLOCK * size;
    Winner *winners = malloc(BLOCK * room * sizeof(Winner));
    Won *won = malloc(batch * sizeof(Won));
    for (long first = 0; packed && winners && won && first < features; first += BLOCK) {
        long count = features - first < BLOCK ? features - first : BLOCK;
        for (long i = 0; i < size; i++)
            for (long f = 0; f < count; f++)
                packed[f * size + i] = w[i * features + first + f];
        find_winners(y + first, top + first, up + first, won, n, batch, features, count);
        add_winners(y + first, top + first, won, d_x, packed, winners, found, room, batch, length,
                    embedding, features, size, count);
        for (long f = 0; f < count; f++)
            sum_up(size, found[f], winners + f * room, x, sums + f * size);
        for (long i = 0; i < size; i++)
            for (long f = 0; f < count; f++)
                d_w[i * features + first + f] = sums[f * size + i];
    }
    int failed = !packed || !winners || !won;
    free(packed);
    free(winners);
    free(won);
    return failed ? -1 : 0;
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
