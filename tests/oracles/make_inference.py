#!/usr/bin/env python3
"""Numbers that experiments/inference.cc has to equal, by scipy, numpy and rliable.

    python3 -m venv oracle && oracle/bin/pip install numpy==2.4.6 scipy==1.17.1 rliable==1.2.0 'pandas<3'
    oracle/bin/python tests/oracles/make_inference.py > tests/data/inference/cases.json

Bootstrap intervals of few values are exact: all n^n resamples are counted (many times, so that percentiles
are those of endless resampling). Those of more are rliable's own
stratified bootstrap with 200,000 resamples.
"""
import importlib.metadata
import itertools
import json
import sys

import numpy
import scipy
from rliable import library, metrics
from scipy import integrate, special, stats

LEVELS = [2.5, 97.5]


def scores(rng, n, kind):
    if kind == "normal":
        return rng.normal(0.02, 0.03, n)
    if kind == "accuracies":  # of 1,000 tasks
        return rng.binomial(1000, 0.97, n) / 1000.0
    return rng.lognormal(0.0, 1.5, n)


def one_sample(values):
    n = len(values)
    case = {"values": values.tolist(), "iqm": float(stats.trim_mean(values, 0.25)), "std": float(values.std(ddof=1)),
            "student": list(map(float, stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values)))),
            "p": float(stats.ttest_1samp(values, 0.0).pvalue)}
    if n >= 3:
        v = n - 1
        case["effect"] = float(values.mean() / values.std(ddof=1) * numpy.exp(
            special.gammaln(v / 2) - special.gammaln((v - 1) / 2)) / numpy.sqrt(v / 2))
    if n <= 6:
        resamples = values[numpy.array(list(itertools.product(range(n), repeat=n)))].repeat(1000 if n < 5 else 10, axis=0)
        case["exact_iqm"] = numpy.percentile(stats.trim_mean(resamples, 0.25, axis=1), LEVELS).tolist()
        case["exact_mean"] = numpy.percentile(resamples.mean(axis=1), LEVELS).tolist()
    return case


def stratified(rng, runs, tasks):
    values = rng.normal(0.5, 0.1, (runs, tasks)) + numpy.linspace(0, 0.5, tasks)
    points, intervals = library.get_interval_estimates(
        {"a": values}, lambda x: numpy.array([metrics.aggregate_iqm(x)]), reps=200000, random_state=rng)
    return {"strata": values.T.tolist(), "iqm": float(points["a"][0]), "interval": intervals["a"][:, 0].tolist()}


def holm(p):
    """statsmodels' definition, written out."""
    order = numpy.argsort(p, kind="stable")
    adjusted = numpy.minimum(1, numpy.maximum.accumulate(numpy.array(p)[order] * (len(p) - numpy.arange(len(p)))))
    out = numpy.empty(len(p))
    out[order] = adjusted
    return out.tolist()


def power(effect, n, alpha):
    """By integration over the standard deviation s / sigma = u: scipy's own nct is NaN in far tails."""
    v, shift = n - 1, effect * numpy.sqrt(n)
    border = stats.t.ppf(1 - alpha / 2, v)
    spread = stats.chi(v, scale=1 / numpy.sqrt(v))
    beyond = lambda u: (stats.norm.sf(border * u - shift) + stats.norm.cdf(-border * u - shift)) * spread.pdf(u)
    places = [spread.ppf(q) for q in (1e-14, 0.01, 0.25, 0.5, 0.75, 0.99)] + [spread.isf(1e-14)]
    return float(sum(integrate.quad(beyond, low, high, epsabs=1e-13, limit=200)[0] for low, high in zip(places, places[1:])))


def seeds_needed(effect, alpha):
    low, high = 1, 10000  # too few, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(effect, middle, alpha) < 0.8 else (low, middle)
    return high


def coverage_of_bootstrap(rng, n, experiments=20000, reps=2000):
    """How often the percentile bootstrap of a mean holds the truth, for normal values."""
    hits = 0
    for _ in range(experiments // 100):
        values = rng.normal(size=(100, n))
        draws = rng.integers(0, n, (reps, n))
        low, high = numpy.percentile(values[:, draws].mean(axis=2), LEVELS, axis=1)
        hits += int(((low <= 0) & (high >= 0)).sum())
    return hits / experiments


def main():
    rng = numpy.random.RandomState(20260101)
    generator = numpy.random.default_rng(7)
    p_values = [[0.01, 0.04, 0.03, 0.005], [0.02], [0.5, 0.5, 0.04], [0.0001, 0.9, 0.01, 0.01, 0.2, 0.03]]
    json.dump({
        "versions": {"numpy": numpy.__version__, "scipy": scipy.__version__, "rliable": importlib.metadata.version("rliable")},
        "one_sample": [one_sample(scores(rng, n, kind)) for kind in ("normal", "accuracies", "skewed") for n in (2, 3, 4, 5, 6, 10, 25)],
        "stratified": [stratified(rng, runs, tasks) for runs, tasks in ((5, 1), (5, 3), (10, 8))],
        "holm": [{"p": p, "adjusted": holm(p)} for p in p_values],
        "power": [{"effect": e, "n": n, "alpha": a, "power": power(e, n, a)}
                  for e in (0.05, 0.2, 0.8, 2.0, 5.0) for n in (3, 5, 20, 100) for a in (0.05, 0.05 / 15)],
        "seeds_needed": [{"effect": e, "alpha": a, "n": seeds_needed(e, a)} for e in (0.1, 0.3, 0.5, 1.0, 2.0, 4.0) for a in (0.05, 0.05 / 15)],
        "bootstrap_coverage": {str(n): coverage_of_bootstrap(generator, n) for n in (3, 5, 10)},
    }, sys.stdout, indent=1, allow_nan=False)
    print()


main()
