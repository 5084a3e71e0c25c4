/* Dense layers of small networks, forwards and backwards, and PPO's objective of two of them, in
 * float32 by one thread.
 *
 *     y = x W^T + b,  perhaps tanh of it;    d_b = sum g,  d_W = g^T x,  d_x = (g W) (1 - x^2)
 *
 * Matrices of some hundred rows and 64 columns lie in the second-level cache, and what a product
 * takes is decided by its innermost loop: a tile of four rows and two vectors is summed in registers.
 * Rows go in blocks, so that what one product has read is in the first-level cache for the next.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
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

/* A tile of c = a b + start, `rows` by `wide`, in `vectors` vectors a row; see `product`. Where these
 * are constants, it is one loop without branches. */
INLINE void tile(long rows, int vectors, int wide, long n, long k, Matrix a, const float *b, long b_row,
                 float *c, const float *start, Finish finish, const float *y)
{
    Lanes sums[TILE][2];
    float part[WIDTH];
    for (long r = 0; r < rows; r++) {
        const float *from = start ? start : c + r * n;
        for (int l = 0; l < vectors * LANES; l++) /* without a branch: loaded by a mask */
            part[l] = l < wide ? from[l] : 0;
        for (int v = 0; v < vectors; v++)
            sums[r][v] = ((Lanes *)part)[v];
    }
    for (long l = 0; l < k; l++) {
        const Lanes *row = (const Lanes *)(b + l * b_row);
        for (long r = 0; r < rows; r++) {
            float factor = a.at[r * a.row + l * a.column];
            for (int v = 0; v < vectors; v++)
                sums[r][v] += factor * row[v];
        }
    }
    for (long r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++)
            ((Lanes *)part)[v] = sums[r][v];
        if (finish == TANH)
            for (int l = 0; l < vectors * LANES; l++)
                part[l] = tanh_of(part[l]);
        if (finish == SLOPE)
            for (int l = 0; l < wide; l++)
                part[l] *= 1 - y[r * n + l] * y[r * n + l];
        for (int l = 0; l < vectors * LANES; l++)
            if (l < wide)
                c[r * n + l] = part[l];
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
        if (wide < WIDTH || b_row > 2 * WIDTH) { /* filled up with zeros; and rows far apart evict each other */
            if (wide < WIDTH)
                memset(spare, 0, k * WIDTH * sizeof(float));
            for (long l = 0; l < k; l++)
                for (long i = 0; i < wide; i++)
                    spare[l * WIDTH + i] = panel[l * b_row + i];
            panel = spare, row = WIDTH;
        }
        for (long i = 0; i < m; i += m - i < TILE ? 1 : TILE) {
            Matrix here = {a.at + i * a.row, a.row, a.column};
            float *out = c + i * n + j;
            const float *slope = y ? y + i * n + j : NULL;
            if (m - i < TILE)
                tile(1, 2, wide, n, k, here, panel, row, out, from, finish, slope);
            else if (wide == WIDTH)
                tile(TILE, 2, WIDTH, n, k, here, panel, row, out, from, finish, slope);
            else if (wide > LANES)
                tile(TILE, 2, wide, n, k, here, panel, row, out, from, finish, slope);
            else
                tile(TILE, 1, wide, n, k, here, panel, row, out, from, finish, slope);
        }
    }
}

#define DEPTH 8 /* layers that a network may have */

/* A network: its layers' parameters by address, (outputs, inputs) and (outputs), and room to compute. */
typedef struct {
    long layers, sizes[DEPTH + 1];
    const float *w[DEPTH], *b[DEPTH];
    float *d_w[DEPTH], *d_b[DEPTH]; /* sums are added to them */
    float *turned[DEPTH];           /* w as (inputs, outputs) */
    float *sums[DEPTH];             /* d_w as (inputs, outputs), where that is thinner */
    float *y[DEPTH];                /* outputs, of all rows or of a block */
    float *passed[2], *zeros, *spare, *room;
} Net;

static void turn(long rows, long columns, const float *from, float *to)
{
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}

static int thinner(const Net *net, long l) { return net->sizes[l] < net->sizes[l + 1]; }

/* Outputs of `rows` rows from number `first` on. */
PROCESSOR
static void forward(Net *net, const float *x, long first, long rows)
{
    for (long l = 0; l < net->layers; l++) {
        long inputs = net->sizes[l], outputs = net->sizes[l + 1];
        float *y = net->y[l] + first * outputs;
        Matrix a = {x, inputs, 1};
        if (l + 1 < net->layers)
            product(rows, outputs, inputs, a, net->turned[l], outputs, y, net->b[l], TANH, NULL, net->spare);
        else
            product(rows, outputs, inputs, a, net->turned[l], outputs, y, net->b[l], PLAIN, NULL, net->spare);
        x = y;
    }
}

/* Add the gradients of `rows` rows from number `first` on, whose outputs' are g. */
PROCESSOR
static void backward(Net *net, const float *x, const float *g, float *d_x, long first, long rows)
{
    for (long l = net->layers - 1; l >= 0; l--) {
        long inputs = net->sizes[l], outputs = net->sizes[l + 1];
        const float *in = l ? net->y[l - 1] + first * inputs : x;
        float *out = l ? net->passed[l % 2] : d_x;
        for (long r = 0; r < rows; r++)
            for (long o = 0; o < outputs; o++)
                net->d_b[l][o] += g[r * outputs + o];
        if (thinner(net, l))
            product(inputs, outputs, rows, (Matrix){in, 1, inputs}, g, outputs, net->sums[l], NULL, PLAIN,
                    NULL, net->spare);
        else
            product(outputs, inputs, rows, (Matrix){g, 1, outputs}, in, inputs, net->d_w[l], NULL, PLAIN,
                    NULL, net->spare);
        Matrix a = {g, outputs, 1};
        if (l)
            product(rows, inputs, outputs, a, net->w[l], inputs, out, net->zeros, SLOPE, in, net->spare);
        else if (d_x)
            product(rows, inputs, outputs, a, net->w[l], inputs, out, net->zeros, PLAIN, NULL, net->spare);
        g = out;
    }
}

/* Put the gradients that were summed the other way round where they belong. */
static void turn_back(Net *net)
{
    for (long l = 0; l < net->layers; l++)
        if (thinner(net, l))
            turn(net->sizes[l], net->sizes[l + 1], net->sums[l], net->d_w[l]);
}

/* ------------------------------------------------------------------------------- PPO's objective */

/* What it reads of each row, and its sums. */
typedef struct {
    const float *x, *before, *advantage, *target;
    const void *act;      /* choices, or vectors in half widths of the box */
    const float *log_std; /* of vectors, else NULL */
    float *d_log_std;
    long rows, choices;
    double clip, value_weight, entropy_weight;
    double earned, kl, error, entropy;
} Objective;

/* Log probability of a row's action, and its entropy; for choices p becomes their probabilities, for
 * vectors z, the deviations from the mean. */
static float log_prob_of(Objective *o, long row, const float *said, float *p, float *entropy)
{
    float sum = 0, most = said[0];
    if (o->log_std) {
        const float *act = (const float *)o->act + row * o->choices;
        *entropy = 0;
        for (long j = 0; j < o->choices; j++) {
            p[j] = (act[j] - said[j]) * expf(-o->log_std[j]);
            sum -= p[j] * p[j] / 2 + o->log_std[j] + 0.918938533f; /* log(2 pi) / 2 */
            *entropy += o->log_std[j] + 1.418938533f;
        }
        return sum;
    }
    for (long j = 1; j < o->choices; j++)
        most = said[j] > most ? said[j] : most;
    for (long j = 0; j < o->choices; j++)
        sum += p[j] = expf(said[j] - most);
    float shift = most + logf(sum), mean = 0;
    for (long j = 0; j < o->choices; j++) {
        p[j] /= sum;
        mean += p[j] * (said[j] - shift);
    }
    *entropy = -mean;
    unsigned long taken = ((const long long *)o->act)[row];
    return taken < (unsigned long)o->choices ? said[taken] - shift : NAN;
}

/* Gradients of the objective by what the policy said of a row, in place of it, and by log_std. */
static void gradient_of(Objective *o, long row, float *said, const float *p, float up, float entropy)
{
    float weight = o->entropy_weight / o->rows;
    for (long j = 0; j < o->choices; j++) {
        if (o->log_std) {
            said[j] = up * p[j] * expf(-o->log_std[j]);
            o->d_log_std[j] += up * (p[j] * p[j] - 1) - weight;
        } else {
            int taken = ((const long long *)o->act)[row] == j;
            float log_p = p[j] > 0 ? logf(p[j]) : 0;
            said[j] = up * (taken - p[j]) + weight * p[j] * (log_p + entropy);
        }
    }
}

/* -E[min(rho A, clip(rho) A)] + w E[(V - target)^2] - c E[entropy], and all its gradients. */
static void objective(Objective *o, Net *policy, Net *value, float *p)
{
    float high = log1p(o->clip), low = log1p(-o->clip);
    for (long first = 0; first < o->rows; first += BLOCK) {
        long rows = o->rows - first < BLOCK ? o->rows - first : BLOCK;
        const float *x = o->x + first * policy->sizes[0];
        forward(policy, x, 0, rows);
        forward(value, x, 0, rows);
        float *said = policy->y[policy->layers - 1], *v = value->y[value->layers - 1];
        for (long r = 0; r < rows; r++) {
            long row = first + r;
            float entropy, advantage = o->advantage[row], apart = v[r] - o->target[row];
            float log_ratio = log_prob_of(o, row, said + r * o->choices, p, &entropy) - o->before[row];
            float bounded = advantage >= 0 ? (log_ratio > high ? high : log_ratio)
                                           : (log_ratio < low ? low : log_ratio);
            float earned = advantage * expf(bounded);
            o->earned += earned;
            o->kl += expf(log_ratio) - 1 - log_ratio;
            o->error += apart * apart;
            o->entropy += entropy;
            gradient_of(o, row, said + r * o->choices, p, bounded == log_ratio ? -earned / o->rows : 0,
                        entropy);
            v[r] = 2 * o->value_weight * apart / o->rows;
        }
        backward(policy, x, said, NULL, 0, rows);
        backward(value, x, v, NULL, 0, rows);
    }
    turn_back(policy);
    turn_back(value);
}

/* ------------------------------------------------------------------------------------ for Python */

/* Read a tuple of numbers as addresses, `step` apart; 0 where there is no tuple. */
static int addresses(PyObject *tuple, long from, long step, long count, void **found)
{
    if (tuple == Py_None)
        return 0;
    for (long i = 0; i < count; i++)
        found[i] = PyLong_AsVoidPtr(PyTuple_GET_ITEM(tuple, from + i * step));
    return PyErr_Occurred() ? -1 : 0;
}

/* A network of (w, b, w, b, ...), gradients likewise or None, and outputs of each layer, of all rows,
 * or None for those of a block. */
static int read_net(Net *net, PyObject *sizes, PyObject *parameters, PyObject *gradients, PyObject *outputs)
{
    memset(net, 0, sizeof *net);
    long count = net->layers = PyTuple_GET_SIZE(sizes) - 1, most = 0, weights = 0, units = 0;
    if (count < 1 || count > DEPTH) {
        PyErr_SetString(PyExc_ValueError, "no layers, or too many");
        return -1;
    }
    for (long l = 0; l <= count; l++) {
        long size = net->sizes[l] = PyLong_AsLong(PyTuple_GET_ITEM(sizes, l));
        most = size > most ? size : most;
        weights += l ? size * net->sizes[l - 1] : 0;
        units += l && outputs == Py_None ? size : 0;
    }
    if (addresses(parameters, 0, 2, count, (void **)net->w) ||
        addresses(parameters, 1, 2, count, (void **)net->b) ||
        addresses(gradients, 0, 2, count, (void **)net->d_w) ||
        addresses(gradients, 1, 2, count, (void **)net->d_b) ||
        addresses(outputs, 0, 1, count, (void **)net->y))
        return -1;
    long deep = most > BLOCK ? most : BLOCK;
    float *room = malloc((2 * weights + most + deep * WIDTH + BLOCK * (2 * most + units)) * sizeof(float));
    if (!room) {
        PyErr_NoMemory();
        return -1;
    }
    memset(room, 0, (weights + most) * sizeof(float));
    net->room = room, net->zeros = room + weights;
    float *turned = net->zeros + most, *y = turned + weights;
    for (long l = 0; l < count; l++) {
        net->sums[l] = room, net->turned[l] = turned;
        room += net->sizes[l] * net->sizes[l + 1], turned += net->sizes[l] * net->sizes[l + 1];
        turn(net->sizes[l + 1], net->sizes[l], net->w[l], net->turned[l]);
        if (outputs == Py_None)
            net->y[l] = y, y += BLOCK * net->sizes[l + 1];
    }
    net->passed[0] = y, net->passed[1] = y + most * BLOCK, net->spare = y + 2 * most * BLOCK;
    return 0;
}

static PyObject *py_forward(PyObject *self, PyObject *arguments)
{
    unsigned long long x;
    long rows;
    PyObject *sizes, *parameters, *outputs;
    Net net;
    if (!PyArg_ParseTuple(arguments, "KlO!O!O!", &x, &rows, &PyTuple_Type, &sizes, &PyTuple_Type,
                          &parameters, &PyTuple_Type, &outputs) ||
        read_net(&net, sizes, parameters, Py_None, outputs))
        return NULL;
    for (long first = 0; first < rows; first += BLOCK)
        forward(&net, (const float *)x + first * net.sizes[0], first,
                rows - first < BLOCK ? rows - first : BLOCK);
    free(net.room);
    Py_RETURN_NONE;
}

static PyObject *py_gradients(PyObject *self, PyObject *arguments)
{
    unsigned long long x, g, d_x;
    long rows;
    PyObject *sizes, *parameters, *outputs, *gradients;
    Net net;
    if (!PyArg_ParseTuple(arguments, "KKKlO!O!O!O!", &g, &x, &d_x, &rows, &PyTuple_Type, &sizes,
                          &PyTuple_Type, &parameters, &PyTuple_Type, &outputs, &PyTuple_Type, &gradients) ||
        read_net(&net, sizes, parameters, gradients, outputs))
        return NULL;
    for (long first = 0; first < rows; first += BLOCK)
        backward(&net, (const float *)x + first * net.sizes[0],
                 (const float *)g + first * net.sizes[net.layers],
                 d_x ? (float *)d_x + first * net.sizes[0] : NULL, first,
                 rows - first < BLOCK ? rows - first : BLOCK);
    turn_back(&net);
    free(net.room);
    Py_RETURN_NONE;
}

static PyObject *py_objective(PyObject *self, PyObject *arguments)
{
    unsigned long long x, act, before, advantage, target, log_std, d_log_std;
    Objective o = {0};
    PyObject *of_policy[3], *of_value[3];
    Net policy, value;
    if (!PyArg_ParseTuple(arguments, "lKKKKKKKddd(O!O!O!)(O!O!O!)", &o.rows, &x, &act, &before, &advantage,
                          &target, &log_std, &d_log_std, &o.clip, &o.value_weight, &o.entropy_weight,
                          &PyTuple_Type, of_policy, &PyTuple_Type, of_policy + 1, &PyTuple_Type,
                          of_policy + 2, &PyTuple_Type, of_value, &PyTuple_Type, of_value + 1,
                          &PyTuple_Type, of_value + 2) ||
        read_net(&policy, of_policy[0], of_policy[1], of_policy[2], Py_None))
        return NULL;
    if (read_net(&value, of_value[0], of_value[1], of_value[2], Py_None)) {
        free(policy.room);
        return NULL;
    }
    o.x = (const float *)x, o.before = (const float *)before, o.advantage = (const float *)advantage;
    o.target = (const float *)target, o.act = (const void *)act;
    o.log_std = (const float *)log_std, o.d_log_std = (float *)d_log_std;
    o.choices = policy.sizes[policy.layers];
    objective(&o, &policy, &value, policy.passed[0]);
    free(policy.room);
    free(value.room);
    double n = o.rows;
    return Py_BuildValue("(dddd)", o.earned / n, o.kl / n, o.error / n, o.entropy / n);
}

static PyObject *py_usable(PyObject *self, PyObject *none) { return PyBool_FromLong(USABLE); }

static PyMethodDef methods[] = {
    {"usable", py_usable, METH_NOARGS, "usable(): whether this processor has what this needs"},
    {"forward", py_forward, METH_VARARGS, "forward(x, rows, sizes, parameters, outputs), by address"},
    {"gradients", py_gradients, METH_VARARGS,
     "gradients(g, x, d_x, rows, sizes, parameters, outputs, gradients), by address"},
    {"objective", py_objective, METH_VARARGS,
     "objective(rows, x, act, before, advantage, target, log_std, d_log_std, clip, value_weight, "
     "entropy_weight, policy, value) -> means of earned, kl, error, entropy"},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_dense", NULL, -1, methods};

PyMODINIT_FUNC PyInit__dense(void) { return PyModule_Create(&module); }
