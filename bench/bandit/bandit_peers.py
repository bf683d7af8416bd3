#!/usr/bin/env python3
"""MABWiser and Vowpal Wabbit on the streams that equipoise_bandit_bench has written.

    bandit_peers.py CURVES.json [ORDERS]

Every peer decides one of 21 (or 11) values of α for each query and gets the query's reward there; one
of Vowpal Wabbit's learners gets the whole curve. One JSON object on stdout; a peer that is not
installed is left out.
"""

import json
import random
import sys
import time


class MabWiser:
    """One MAB a domain, as its documentation does it for independent problems."""

    def __init__(self, policy, arms, seed):
        self.policy, self.arms, self.seed = policy, arms, seed
        self.of_domain = {}

    def decide(self, domain):
        known = self.of_domain.get(domain)
        if known is None:
            return self.arms[len(self.arms) // 2]
        return known.predict()

    def learn(self, domain, arm, curve):
        from mabwiser.mab import MAB

        known = self.of_domain.get(domain)
        if known is None:
            known = MAB(list(self.arms), self.policy(), seed=self.seed + domain)
            known.fit([arm], [curve[arm]])
            self.of_domain[domain] = known
        else:
            known.partial_fit([arm], [curve[arm]])


class Wabbit:
    """A contextual bandit whose context is the domain."""

    def __init__(self, options, arms, seed):
        import vowpalwabbit

        self.arms = arms
        self.random = random.Random(seed)
        self.model = vowpalwabbit.Workspace(
            f"--cb_explore {len(arms)} {options} --quiet --random_seed {seed}"
        )
        self.last = None

    def decide(self, domain):
        chances = self.model.predict(f"| d{domain}")
        at = self.random.choices(range(len(self.arms)), chances)[0]
        self.last = (at, chances[at])
        return self.arms[at]

    def learn(self, domain, arm, curve):
        at, chance = self.last
        self.model.learn(f"{at + 1}:{1 - curve[arm]}:{chance} | d{domain}")


class WabbitCurves:
    """Cost-sensitive classification: it is told what every α would have earned."""

    def __init__(self, arms, seed):
        import vowpalwabbit

        self.arms = arms
        self.model = vowpalwabbit.Workspace(f"--csoaa {len(arms)} --quiet --random_seed {seed}")

    def decide(self, domain):
        return self.arms[int(self.model.predict(f"| d{domain}")) - 1]

    def learn(self, domain, arm, curve):
        costs = " ".join(f"{i + 1}:{1 - curve[a]}" for i, a in enumerate(self.arms))
        self.model.learn(f"{costs} | d{domain}")


def mabwiser_policies():
    from mabwiser.mab import LearningPolicy

    coin = random.Random(0)
    return {
        "Thompson": lambda: LearningPolicy.ThompsonSampling(lambda arm, reward: coin.random() < reward),
        "UCB1": lambda: LearningPolicy.UCB1(alpha=1),
        "epsilon-greedy 0.05": lambda: LearningPolicy.EpsilonGreedy(epsilon=0.05),
    }


def makers():
    """Name -> a function from a seed to a learner."""
    out, versions = {}, {}
    every, second = list(range(21)), list(range(0, 21, 2))
    try:
        import importlib.metadata

        for name, policy in mabwiser_policies().items():
            out[f"MABWiser {name}, 11 arms"] = lambda seed, p=policy: MabWiser(p, second, seed)
        versions["mabwiser"] = importlib.metadata.version("mabwiser")
    except ImportError:
        pass
    try:
        import vowpalwabbit

        for name, options in {
            "epsilon 0.05": "--epsilon 0.05",
            "bag 5": "--bag 5",
            "cover 5": "--cover 5",
            "squarecb": "--squarecb",
        }.items():
            out[f"VW {name}, 21 arms"] = lambda seed, o=options: Wabbit(o, every, seed)
        out["VW csoaa, whole curves"] = lambda seed: WabbitCurves(every, seed)
        versions["vowpalwabbit"] = vowpalwabbit.__version__
    except ImportError:
        pass
    return out, versions


def best(curve):
    middle = len(curve) // 2
    return max(range(len(curve)), key=lambda i: (curve[i], i == middle))


def main(path, orders):
    data = json.load(open(path, encoding="utf-8"))
    curves = [one["curves"] for one in data["sets"]]
    means = [[sum(column) / len(own) for column in zip(*own)] for own in curves]
    oracle = [best(mean) for mean in means]
    single = best([sum(column) for column in zip(*means)])
    learners, versions = makers()
    rows = []
    for name, make in learners.items():
        count, turns, reward, regret, above, spent = 0, 0, 0.0, 0.0, 0, 0.0
        for order, stream in enumerate(data["streams"][:orders]):
            learner, lead = make(order + 1), 0.0
            for domain, query in stream:
                curve = curves[domain][query]
                start = time.perf_counter()
                arm = learner.decide(domain)
                learner.learn(domain, arm, curve)
                spent += time.perf_counter() - start
                reward += curve[arm]
                regret += curve[oracle[domain]] - curve[arm]
                lead += curve[arm] - curve[single]
                turns += 1
            above += lead > 0
            count += 1
        rows.append(
            {
                "policy": name,
                "orders": count,
                "reward": reward / turns,
                "regret": regret / turns,
                "above_best_single": above / count,
                "us": spent / turns * 1e6,
            }
        )
    print(json.dumps({"versions": versions, "policies": rows}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50)
