// Users rate what they are shown, and each domain gets its own balance of words and meaning: who asks for
// a part types its number, which says nothing to an embedding; who asks for advice uses other words than
// the answer does.
#include <cstdio>
#include <filesystem>

#include <equipoise/engine/engine.h>

using equipoise::Engine;

int Fail(const equipoise::Status& status) {
  return std::fprintf(stderr, "%s\n", status.ToString().c_str()), 1;
}

struct Asked {
  const char *domain, *text, *wanted;
  std::vector<float> embedding;
};

int main() {
  const std::vector<equipoise::Document> documents = {
      {.id = "bolt-40", .text = "hex bolt M8x40 steel"},
      {.id = "bolt-60", .text = "hex bolt M8x60 steel"},
      {.id = "nut", .text = "lock nut M8 steel"},
      {.id = "squeak", .text = "oil the hinge when it is noisy"},
      {.id = "rust", .text = "remove oxide with vinegar"},
      {.id = "ice", .text = "free a frozen door with warm water"}};
  const std::vector<float> rows = {1, 0.1f, 0,    1,    0,    0.1f, 0.9f, 0.3f, 0,
                                   0, 1,    0.1f, 0.2f, 0.2f, 1,    0,    0.8f, 0.6f};
  const std::vector<Asked> asked = {
      {"parts", "steel M8x40", "bolt-40", {0.1f, 1, 0.2f}},
      {"parts", "steel M8x60", "bolt-60", {0.2f, 0.3f, 1}},
      {"advice", "steel door squeaks, free advice", "squeak", {0.1f, 1, 0.1f}},
      {"advice", "steel hinge has gone brown", "rust", {0.2f, 0.2f, 1}}};
  const equipoise::MatrixView<float> embeddings(rows.data(), documents.size(), 3);
  std::filesystem::remove_all("workshop");  // and what an earlier run has learned
  if (auto built = Engine::Build("workshop", documents, embeddings); !built) return Fail(built);
  auto engine = Engine::Open("workshop");
  if (!engine) return Fail(engine.error());
  auto kept = engine->KeepLearning(*equipoise::MakeWeightPolicy("curve"));  // each rating is logged
  if (!kept) return Fail(kept.error());

  for (int day = 1; day <= 30; ++day)
    for (const Asked& a : asked) {
      auto found =
          engine->Search({.text = a.text, .embedding = a.embedding, .k = 3, .domain = a.domain});
      if (!found) return Fail(found.error());
      if (day == 1 || day == 30)
        std::printf("day %2d, %-6s: alpha %.2f finds %s\n", day, a.domain, found->weights.alpha,
                    found->hits[0].id.c_str());
      for (std::size_t i = 0; i < found->hits.size(); ++i) {
        const double rating = found->hits[i].id == a.wanted ? 1 : 0;
        auto told = engine->Feedback({.query_id = found->query_id, .hit = i, .rating = rating});
        if (!told) return Fail(told.error());
      }
    }
  if (auto saved = engine->SavePolicy(); !saved)
    return Fail(saved);  // so that the next start need not replay the log
}
