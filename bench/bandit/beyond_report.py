"""The parts of the bandit benchmark that go beyond one α a domain: tables and claims."""

import math


def when(seven, value, ok):
    """A claim's value and verdict, not run unless all seven sets are there."""
    return (value, bool(ok)) if seven else (None, None)


def claim(result, ident, text, seven, value, unit, target, ok):
    value, ok = when(seven, value, ok)
    result.claim(ident, text, value, unit, target, ok)


def off_policy(result, one):
    rows = []
    for e in one["estimates"]:
        result.row(f"off-policy/{e['method']}/{e['size']}", **{k: v for k, v in e.items() if k != "method"})
        rows.append([e["method"], f"{e['size']:,}", f"{e['bias']:+.4f}", f"{e['t']:+.2f}", f"{e['rmse']:.4f}",
                     f"{e['effective']:.0f}", f"{e['coverage']:.1%}"])
    result.row("off-policy/far", **one["far"])
    result.table(f"Off-policy estimates on {one['logs']:,} simulated logs of the sets' queries; the truth is "
                 f"{one['truth']:.4f}",
                 ["estimate", "queries", "bias", "t", "error (rms)", "effective sample size",
                  "95 % interval holds it"], rows)
    of = {(e["method"], e["size"]): e for e in one["estimates"]}
    small, large = sorted({e["size"] for e in one["estimates"]})
    unbiased = max(abs(of[m, n]["t"]) for m in ("IPS", "doubly robust") for n in (small, large))
    result.claim("off-policy-bias", "largest |t| of the bias of IPS and doubly robust", unbiased, "",
                 "<= 2.58 (1 %)", unbiased <= 2.58)
    ratio = of["self-normalized IPS", large]["rmse"] / of["self-normalized IPS", small]["rmse"]
    result.claim("off-policy-consistent", "error of self-normalized IPS with four times the log, to that before",
                 ratio, "ratio", "0.45 to 0.55", 0.45 <= ratio <= 0.55)
    covers = [e["coverage"] for e in one["estimates"] if e["effective"] >= 200]
    worst = max(covers, key=lambda c: abs(c - 0.95))
    result.claim("off-policy-coverage", "coverage of the 95 % intervals, effective sample size 200 or more, "
                 "the one farthest off", worst, "share", "0.93 to 0.97", 0.93 <= worst <= 0.97)
    far = one["far"]
    result.claim("off-policy-warning", "logs that hardly know the policy which are warned about "
                 f"(coverage {far['coverage']:.1%})", far["warned"], "share", "1", far["warned"] == 1)


def drift(result, one, seven):
    rows = []
    for policy in one["policies"]:
        name = f"watching the latest {policy['watch']}" if policy["watch"] else "not watching"
        result.row(f"drift/{policy['watch']}", **policy)
        for d in policy["domains"]:
            rows.append([name, d["set"], f"{d['regret_before']:.4f}", f"{d['regret_after']:.4f}",
                         f"{d['noticed']:.0%}", f"{d['delay']:.1f}" if d["noticed"] else "",
                         f"{d['false_alarms']:.2f}"])
        rows.append([name, "all", "", f"{policy['regret_after']:.4f}", "", "", ""])
    result.table("300 queries a domain; from query 200 on α means 1 − α",
                 ["curve policy", "set", "regret, queries 0–200", "queries 250–300", "noticed",
                  "after queries", "alarms where nothing changed"], rows)
    watching = one["policies"][-1]
    there = len(one["sets"]) == 3
    claim(result, "drift", "regret a query, queries 250 to 300, against the best alpha after the change", there,
          watching["regret_after"], "nDCG", "<= 0.010", watching["regret_after"] <= 0.010)
    claim(result, "drift-price", "reward a query that watching costs where nothing changes", there,
          watching["price"], "nDCG", "<= 0.001", watching["price"] <= 0.001)


def safety(result, found):
    rows = []
    for one in found:
        result.row(f"safety/{one['stream']}/{one['policy']}", **one)
        rows.append([one["stream"], one["policy"], f"{one['below']:.0f} of {one['orders']}", f"{one['least']:.3f}",
                     f"{one['reward']:.4f}", f"{one['static']:.4f}", f"{one['static_share']:.0%}"])
    result.table("Cumulative reward against 95 % of the static decisions', a fixed 0.5 or the priors', after every "
                 "query of an order; lies are inverted curves of random queries, or aimed at what deviates, or gathered "
                 "there alone, which is more than false_share promises to stand",
                 ["stream", "curve policy", "orders that fell below", "least margin", "nDCG@10", "static",
                  "static decisions"], rows)  # fmt: skip
    for ident, promised, text in (
        ("safety", True, "with a guard of 5 %, feedback true, late, on what was shown alone, or to 10 % lies, inverted "
         "or aimed"),
        ("safety-gathered", False, "with the same guard, 10 % of all feedback lies, all on decisions that deviate: not "
         "promised"),
    ):  # fmt: skip
        kept = [one for one in found if one["guarded"] and one["promised"] == promised]
        below, orders = sum(one["below"] for one in kept), sum(one["orders"] for one in kept)
        result.claim(ident, f"of {orders:,} orders {text}: those whose cumulative reward ever fell below its bound",
                     below, "", "0", below == 0)  # fmt: skip


READERS = {"browsing": ("", "who look at a rank as often as credits are discounted"),
           "down": ("-down", "who read down the list and stop after half of the good documents that they clicked on")}  # fmt: skip


def interleaving(result, everything, seven):
    for reader, (suffix, text) in READERS.items():
        found, rows = [one for one in everything if one["reader"] == reader], []
        for one in found:
            result.row(f"interleaving{suffix}/{one['set']}/{one['worse']}", **one)
            rows.append([one["set"], f"{one['better']}", f"{one['worse']}", f"{one['difference']:.3f}",
                         f"{one['halves']:,.0f}", f"{one['interleaved']:,.0f}", f"{one['ratio']:.1f} ×",
                         f"{one['power']:.0%}"])  # fmt: skip
        result.table("Queries until a better α is told from a worse one with a power of 80 %: clicks simulated from "
                     f"judgments, of readers {text}; lists of two halves of the queries against interleaved ones",
                     ["set", "better α", "worse", "nDCG@10 apart", "two halves", "interleaved", "fewer",
                      "power found there"], rows)  # fmt: skip
        ratios = sorted(one["ratio"] for one in found)
        median = (ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2
        mean = math.exp(sum(math.log(r) for r in ratios) / len(ratios))
        claim(result, f"interleaving{suffix}", "queries of two halves to those of interleaving, the median of "
              f"{len(ratios)} pairs, readers {text} (geometric mean {mean:.1f}, least {ratios[0]:.1f})", seven,
              median, "×", ">= 5", median >= 5)  # fmt: skip
        wrong = sum(not one["agrees"] for one in found)
        result.claim(f"interleaving-side{suffix}", "pairs whose worse α interleaving prefers, the same readers",
                     wrong, "", "0", wrong == 0)  # fmt: skip


def contextual(result, one):
    result.row("contextual", **one)
    rows = [[f"{c['queries']}", f"{c['above_domain']:+.4f}", f"{c['above_hindsight']:+.4f}"]
            for c in one["curve"]]
    result.table("alpha per query by a Gaussian process over ten features, made for this question and not the policy "
                 f"contextual, {one['variants']} variants tried: nDCG@10 {one['learned']:.4f}; "
                 f"one alpha a domain, learned from the same queries, {one['domain']:.4f}, in hindsight "
                 f"{one['hindsight']:.4f}; the best alpha of each query {one['oracle']:.4f}",
                 ["queries learned from", "above one alpha a domain", "above that in hindsight"], rows)
    above, gain = one["above_hindsight"], one["above_domain"]
    result.claim("contextual", "nDCG@10 of alpha per query, by a Gaussian process that is not the shipped policy, "
                 f"above the best alpha of each domain in hindsight, cross-validated, low end of 95 % "
                 f"(mean {above['mean']:+.4f}; above one alpha a domain learned from the same queries "
                 f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}], which some "
                 f"{one['needed']:,.0f} queries would show)", above["low"], "nDCG", "> 0", bool(above["low"] > 0))
