// A program that searches an index and rates what it finds, for the tests of its log of feedback.
//
//   equipoise_serve_feedback INDEX POLICY QUERIES
//
// Query i is the text of document i with a random embedding, its first hit is rated 1 and its third .25. One
// JSON object a query goes to stdout, what the policy has learned to INDEX.state.
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <equipoise/core/random.h>
#include <equipoise/engine/engine.h>

namespace {

using namespace equipoise;  // NOLINT(google-build-using-namespace): a program

Status Serve(const std::string& index, const std::string& name, std::uint64_t queries) {
  auto engine = Engine::Open(index);
  if (!engine) return engine.error();
  auto made = MakeWeightPolicy(name);
  if (!made) return made.error();
  const std::shared_ptr<WeightPolicy> policy = *std::move(made);
  if (auto kept = engine->KeepLearning(policy); !kept) return kept.error();
  const Collection& collection = engine->collection();
  Random random(1);
  for (std::uint64_t i = 0; i < queries; ++i) {
    std::vector<float> embedding(collection.dimensions());
    for (float& value : embedding) value = static_cast<float>(random.Uniform() - 0.5);
    const std::string text(
        collection.Get(static_cast<std::uint32_t>(i % collection.documents())).text);
    const auto found = engine->Search({.text = text, .embedding = embedding, .domain = "all"});
    if (!found) return found.error();
    for (const std::size_t hit : {0, 2}) {
      const auto told = engine->Feedback(
          {.query_id = found->query_id, .hit = hit, .rating = hit == 0 ? 1.0 : 0.25});
      if (!told) return told.error();
    }
    std::vector<std::string> shown;
    for (const Hit& hit : found->hits) shown.push_back('"' + std::string(hit.id) + '"');
    fmt::print(
        R"({{"query_id": "{}", "alpha": {}, "propensity": {}, "shown": [{}], "features": [{}]}})"
        "\n",
        found->query_id, found->context->decision.alpha, found->context->decision.propensity,
        fmt::join(shown, ", "), fmt::join(found->context->features, ", "));
  }
  return policy->Save(index + ".state");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const Status served = Serve(argv[1], argv[2], std::stoull(argv[3]));
  if (!served.ok()) std::fprintf(stderr, "%s\n", served.ToString().c_str());
  return served.ok() ? 0 : 1;
}
